/** Texts from tokens: what is shown of them, and where they end. */

import type { Model } from "../engine/engine.js";
import type { Continuation, Sequence, TokenMetric } from "../engine/sequences.js";
import type { FinishReason, NextToken, RedrawnState, Text } from "./chain.js";
import type { StopStrings } from "./stop-strings.js";
import { appendValues } from "./token-values.js";

/** A text with the sequence that holds it; null once it has ended, or when it was not kept. */
export interface DrawnText extends Text {
  readonly sequence: Sequence | null;
  /** A text that may be drawn anew has its log-probabilities under the distribution drawn from. */
  readonly drawnLogProbs?: readonly number[];
}

/** A text to go on from. */
export interface Prefix {
  text: Text & Partial<RedrawnState>;
  /** Holds the prompt and the text's tokens. */
  sequence: Sequence;
}

export class TextWriter {
  readonly #model: Model;
  readonly #stops: StopStrings;
  readonly #maxTokens: number;
  readonly #metrics: readonly TokenMetric[];

  constructor(
    model: Model,
    stops: StopStrings,
    maxTokens: number,
    metrics: readonly TokenMetric[],
  ) {
    this.#model = model;
    this.#stops = stops;
    this.#maxTokens = maxTokens;
    this.#metrics = metrics;
  }

  /** The text with what was drawn after it. */
  extend(text: Text & Partial<RedrawnState>, continuation: Continuation): DrawnText {
    const { finish, logProbs, logMasses, drawnLogProbs } = continuation;
    const tokens = [...text.tokens, ...continuation.tokens];
    const masked = logProbs.map((log, i) => log - (logMasses?.[i] ?? 0));
    const drawn = drawnLogProbs.length > 0 ? drawnLogProbs : masked;
    return {
      tokens,
      ...appendValues(text, continuation, this.#metrics),
      ...(text.drawnLogProbs && { drawnLogProbs: [...text.drawnLogProbs, ...drawn] }),
      text: finish === "stop" ? this.#stops.cut(tokens).text : this.textOf(tokens),
      finishReason: finishReasonOf(continuation, tokens.length >= this.#maxTokens),
      sequence: continuation.sequence,
    };
  }

  /** The text with one token more, which may end it. */
  append(text: Text, { token, logProb, logMass }: NextToken): Text {
    const tokens = [...text.tokens, token];
    const isEnd = this.#model.isEndToken(token);
    const cut = isEnd ? { text: this.textOf(tokens), isStopped: false } : this.#stops.cut(tokens);
    const isFull = tokens.length >= this.#maxTokens;
    return {
      tokens,
      logProbs: [...text.logProbs, logProb],
      ...(logMass !== undefined && { logMasses: [...(text.logMasses ?? []), logMass] }),
      text: cut.text,
      finishReason: isEnd ? "end" : cut.isStopped ? "stop" : isFull ? "length" : null,
    };
  }

  textOf(tokens: readonly number[]): string {
    return this.#model.detokenize(Int32Array.from(tokens), { continues: true });
  }
}

function finishReasonOf({ finish }: Continuation, isFull: boolean): FinishReason | null {
  if (finish === "budget" || (finish === "length" && !isFull)) return null;
  return finish;
}
