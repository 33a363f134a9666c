/** Texts from tokens: what is shown of them, and where they end. */

import type { Model } from "../engine/engine.js";
import type { Continuation, Sequence } from "../engine/sequences.js";
import type { FinishReason, NextToken, RedrawnState, Text } from "./chain.js";
import type { ChainOptions } from "./chain-options.js";
import { appendValues } from "./token-values.js";

/** A text with the sequence that holds it; null once it has ended, or when it was not kept. */
export interface DrawnText extends Text {
  readonly sequence: Sequence | null;
  /** A text that may be drawn anew has its log-probabilities under the distribution drawn from. */
  readonly drawnLogProbs?: readonly number[];
}

export class TextWriter {
  readonly #model: Model;
  readonly #options: ChainOptions;

  constructor(model: Model, options: ChainOptions) {
    this.#model = model;
    this.#options = options;
  }

  /** The text with what was drawn after it. */
  extend(text: Text & Partial<RedrawnState>, continuation: Continuation): DrawnText {
    const { finish, logProbs: drawn, referenceLogProbs } = continuation;
    const tokens = [...text.tokens, ...continuation.tokens];
    const logProbs = referenceLogProbs.length > 0 ? referenceLogProbs : drawn;
    const whole = this.textOf(tokens);
    return {
      tokens,
      ...appendValues(text, { ...continuation, logProbs }, this.#options.metrics),
      ...(text.drawnLogProbs && { drawnLogProbs: [...text.drawnLogProbs, ...drawn] }),
      text: finish === "stop" ? this.#cutAtStop(whole) : whole,
      finishReason: finishReasonOf(continuation, tokens.length >= this.#options.limits.maxTokens),
      sequence: continuation.sequence,
    };
  }

  /** The text with one token more, which may end it. */
  append(text: Text, { token, logProb }: NextToken): Text {
    const { stop } = this.#options.policy;
    const tokens = [...text.tokens, token];
    const whole = this.textOf(tokens);
    const isEnd = this.#model.isEndToken(token);
    const isStop = !isEnd && stop.some((s) => whole.includes(s));
    const isFull = tokens.length >= this.#options.limits.maxTokens;
    const finishReason = isEnd ? "end" : isStop ? "stop" : isFull ? "length" : null;
    return {
      tokens,
      logProbs: [...text.logProbs, logProb],
      text: isStop ? this.#cutAtStop(whole) : whole,
      finishReason,
    };
  }

  textOf(tokens: readonly number[]): string {
    return this.#model.detokenize(Int32Array.from(tokens));
  }

  #cutAtStop(text: string): string {
    const cuts = this.#options.policy.stop.map((s) => text.indexOf(s)).filter((at) => at >= 0);
    return cuts.length > 0 ? text.slice(0, Math.min(...cuts)) : text;
  }
}

function finishReasonOf({ finish }: Continuation, isFull: boolean): FinishReason | null {
  if (finish === "budget" || (finish === "length" && !isFull)) return null;
  return finish;
}
