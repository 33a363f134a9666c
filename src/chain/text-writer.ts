/** Makes texts from tokens: the visible text, the thoughts, and the reason of the end. */

import type { Model } from "../engine/engine.js";
import type { Continuation, Sequence, TokenMetric } from "../engine/sequences.js";
import { ThoughtReader } from "../engine/thoughts.js";
import type { FinishReason, ForcedToken, NextToken, RedrawnState, Text } from "./chain.js";
import type { ChainOptions } from "./chain-options.js";
import type { StopStrings } from "./stop-strings.js";
import { type AddedValues, appendValues, firstValues, type TokenValues } from "./token-values.js";

/** A text with the sequence that holds it; null if the text has ended or was not kept. */
export interface DrawnText extends Text {
  readonly sequence: Sequence | null;
  /** See `RedrawnState`. Present if the end of the text may be drawn again. */
  readonly drawnLogProbs?: readonly number[];
}

/** A text to continue. */
export interface Prefix {
  text: Text & Partial<RedrawnState>;
  /** Holds the prompt and the text's tokens. */
  sequence: Sequence;
}

type Shown = Pick<Text, "text" | "thoughts">;

export class TextWriter {
  readonly #model: Model;
  readonly #stops: StopStrings;
  readonly #maxTokens: number;
  readonly #metrics: readonly TokenMetric[];
  readonly #rules: ChainOptions["policy"]["thoughts"];

  constructor(
    model: Model,
    stops: StopStrings,
    { limits, metrics, policy }: Pick<ChainOptions, "limits" | "metrics" | "policy">,
  ) {
    this.#model = model;
    this.#stops = stops;
    this.#maxTokens = limits.maxTokens;
    this.#metrics = metrics;
    this.#rules = policy.thoughts;
  }

  /** The text with the continuation that was drawn. */
  extend(text: Text & Partial<RedrawnState>, continuation: Continuation): DrawnText {
    const { finish, logProbs, logMasses, drawnLogProbs } = continuation;
    const tokens = [...text.tokens, ...continuation.tokens];
    const { values, forced, reader } = this.#account(text, tokens, continuation);
    const at = new Set(forced.map((token) => token.at - text.tokens.length));
    const masked = logProbs.map((log, i) => log - (logMasses?.[i] ?? 0));
    const given = drawnLogProbs.length > 0 ? drawnLogProbs : masked;
    const drawn = Array.from(given, (logProb, i) => (at.has(i) ? 0 : logProb));
    return {
      tokens,
      ...values,
      ...(text.drawnLogProbs && { drawnLogProbs: [...text.drawnLogProbs, ...drawn] }),
      ...this.#show(tokens, reader, forcedOf(text, forced), finish === "stop"),
      finishReason: finishReasonOf(continuation, tokens.length >= this.#maxTokens),
      sequence: continuation.sequence,
    };
  }

  /** The text with one more token, which may end it. */
  append(text: Text, { token, logProb, logMass }: NextToken): Text {
    const tokens = [...text.tokens, token];
    const isEnd = this.#model.isEndToken(token);
    const reader = this.#read(text.tokens);
    const isForced = reader?.forced === token;
    reader?.add(token);
    const added = isForced ? [{ at: text.tokens.length, logProb: null }] : [];
    const isStopped = !isEnd && this.#isStopped(tokens, reader);
    const isFull = tokens.length >= this.#maxTokens || reader?.stops === true;
    return {
      tokens,
      logProbs: [...text.logProbs, logProb],
      ...(logMass !== undefined && { logMasses: [...(text.logMasses ?? []), logMass] }),
      ...this.#show(tokens, reader, forcedOf(text, added), isStopped),
      finishReason: isEnd ? "end" : isStopped ? "stop" : isFull ? "length" : null,
    };
  }

  /** The first `count` tokens of a text, as an unfinished text. */
  head(text: Text, count: number): Text {
    const tokens = text.tokens.slice(0, count);
    const forced = (text.thoughts?.forced ?? []).filter(({ at }) => at < count);
    return {
      ...this.#show(tokens, this.#read(tokens), forced, false),
      tokens,
      ...firstValues(text, count),
      finishReason: null,
    };
  }

  /**
   * The values of all `tokens`, of which those after `text` were scored. A forced token has probability 1,
   * and any other token in its place has probability 0.
   */
  revalue(
    text: Text,
    tokens: readonly number[],
    added: AddedValues,
  ): TokenValues & Pick<Text, "thoughts"> {
    const { values, forced, reader } = this.#account(text, tokens, added);
    const { thoughts } = this.#show(tokens, reader, forcedOf(text, forced), false);
    return { ...values, ...(thoughts && { thoughts }) };
  }

  /** The token that is forced after a text, because its thoughts must end; null if none is forced. */
  forcedAfter(tokens: readonly number[]): number | null {
    return this.#read(tokens)?.forced ?? null;
  }

  #read(tokens: readonly number[]): ThoughtReader | null {
    if (this.#rules === null) return null;
    const reader = new ThoughtReader(this.#model, this.#rules);
    for (const token of tokens) reader.add(token);
    return reader;
  }

  /**
   * The values of all `tokens`, with those after `text` under the policy that forces some of them. The
   * returned reader has read all tokens.
   */
  #account(text: Text, tokens: readonly number[], added: AddedValues) {
    const reader = this.#read(text.tokens);
    const forced: ForcedToken[] = [];
    if (reader === null)
      return { values: appendValues(text, added, this.#metrics), forced, reader };
    const logProbs = [...added.logProbs];
    const entropies = added.entropies && [...added.entropies];
    for (const [i, token] of tokens.slice(text.tokens.length).entries()) {
      const only = reader.forced;
      reader.add(token);
      if (only === null) continue;
      if (only === token) {
        forced.push({ at: text.tokens.length + i, logProb: logProbs[i] ?? null });
      }
      logProbs[i] = only === token ? 0 : Number.NEGATIVE_INFINITY;
      if (entropies) entropies[i] = 0;
    }
    const certain = { ...added, logProbs, ...(entropies && { entropies }) };
    return { values: appendValues(text, certain, this.#metrics), forced, reader };
  }

  #show(
    tokens: readonly number[],
    reader: ThoughtReader | null,
    forced: readonly ForcedToken[],
    isStopped: boolean,
  ): Shown {
    const read = reader?.text();
    if (read === undefined || read.thoughts === null) {
      return { text: isStopped ? this.#stops.cut(tokens).text : this.#textOf(tokens) };
    }
    const { answer, thoughts, spent, ended, isOpen } = read;
    return {
      text: isStopped ? this.#stops.cutAnswer(answer).text : answer.toString("utf8"),
      thoughts: { text: thoughts, tokens: spent, ended, isOpen, forced },
    };
  }

  #isStopped(tokens: readonly number[], reader: ThoughtReader | null): boolean {
    const read = reader?.text();
    if (read === undefined || read.thoughts === null) return this.#stops.cut(tokens).isStopped;
    const isStopToken = this.#stops.tokens.includes(tokens.at(-1) as number);
    return (!read.isOpen && isStopToken) || this.#stops.cutAnswer(read.answer).isStopped;
  }

  #textOf(tokens: readonly number[]): string {
    return this.#model.detokenize(Int32Array.from(tokens), { continues: true });
  }
}

function forcedOf(text: Text, added: readonly ForcedToken[]): readonly ForcedToken[] {
  return [...(text.thoughts?.forced ?? []), ...added];
}

function finishReasonOf({ finish }: Continuation, isFull: boolean): FinishReason | null {
  if (finish === "budget" || (finish === "length" && !isFull)) return null;
  return finish === "thoughts" ? "length" : finish;
}
