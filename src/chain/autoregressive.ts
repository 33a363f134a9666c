/**
 * The chain of an autoregressive model. A state is a prefix that is cached as a sequence; its candidates
 * and rollouts are forks of it. The prompt is prefilled once, and no token is decoded twice.
 */

import type { Model } from "../engine/engine.js";
import type { RandomStream, Sequence } from "../engine/sequences.js";
import type { ContextPlan } from "../planning/context-plan.js";
import type {
  NextToken,
  PrefixChain,
  Ranked,
  Redraw,
  RedrawnState,
  RedrawOptions,
  Rollout,
  Text,
  Usage,
} from "./chain.js";
import type { ChainOptions } from "./chain-options.js";
import { candidateStream, redrawnStream, rolloutStream } from "./random-streams.js";
import { TextGenerator } from "./text-generator.js";
import type { DrawnText, Prefix } from "./text-writer.js";

export type AutoregressiveState = DrawnText;

export class AutoregressiveChain implements PrefixChain<AutoregressiveState> {
  readonly kind = "prefix";
  readonly #options: ChainOptions;
  readonly #generator: TextGenerator;
  /** Holds the prompt and the distribution of the first token; null before `start`. */
  #start: Sequence | null = null;

  private constructor(generator: TextGenerator, options: ChainOptions) {
    this.#generator = generator;
    this.#options = options;
  }

  static async open(
    model: Model,
    plan: ContextPlan,
    options: ChainOptions,
  ): Promise<AutoregressiveChain> {
    return new AutoregressiveChain(await TextGenerator.open(model, plan, options), options);
  }

  get isOutOfBudget(): boolean {
    return this.#generator.isOutOfBudget;
  }

  get conditions(): boolean {
    return this.#options.policy.conditions === true;
  }

  get #canCut(): boolean {
    return this.#generator.context.rewind === "any";
  }

  async start(): Promise<AutoregressiveState> {
    const sequence = await this.#generator.prefill(this.#options.prompt);
    this.#start = sequence;
    return { text: "", tokens: [], logProbs: [], finishReason: null, sequence };
  }

  advance(
    state: AutoregressiveState,
    count: number,
    step: number,
    first = 0,
  ): Promise<AutoregressiveState[]> {
    const same = Array.from({ length: count }, () => state);
    return this.#advance(same, step, first);
  }

  advanceEach(
    states: readonly AutoregressiveState[],
    step: number,
  ): Promise<AutoregressiveState[]> {
    return this.#advance(states, step, 0);
  }

  async advanceSharpened(
    states: readonly AutoregressiveState[],
    step: number,
    power: number,
  ): Promise<(AutoregressiveState & RedrawnState)[]> {
    const knowing = states.map((state) => ({ drawnLogProbs: [], ...state }));
    const drawn = await this.#advance(knowing, step, 0, power);
    return drawn.map((state) => ({ drawnLogProbs: [], ...state }));
  }

  #advance(states: readonly AutoregressiveState[], step: number, first: number, power = 1) {
    return this.#generator.draw(
      states.map((state, i) => {
        const { guidance, limits } = this.#options;
        const { blockTokens, blockEnd, leastTokens } = guidance;
        const left = limits.maxTokens - state.tokens.length;
        const maxTokens = Math.min(blockTokens, left);
        const mayPause = blockEnd !== null && left > leastTokens;
        return {
          ...prefixOf(state),
          stream: candidateStream(step, first + i),
          maxTokens,
          keep: maxTokens < left || mayPause,
          ...(mayPause && { pauseAfter: leastTokens }),
        };
      }),
      { power },
    );
  }

  async complete(
    states: readonly AutoregressiveState[],
    count: number,
    step: number,
    candidates: readonly number[],
  ): Promise<Rollout[][]> {
    return this.#generator.complete(states.map(prefixOf), count, (i, rollout) =>
      rolloutStream(step, candidates[i] as number, rollout),
    );
  }

  finish(state: AutoregressiveState, begun: Text, stream: RandomStream): Promise<Text> {
    return this.#generator.finish(prefixOf(state), begun, stream);
  }

  async score(
    states: readonly AutoregressiveState[],
    rollouts: readonly (readonly Rollout[])[],
  ): Promise<Rollout[][]> {
    return this.#generator.scorer.score(states.map(prefixOf), rollouts);
  }

  follow(
    states: readonly AutoregressiveState[],
    grown: readonly Text[],
  ): Promise<AutoregressiveState[]> {
    return this.#generator.scorer.follow(states.map(prefixOf), grown);
  }

  async redraw(
    texts: readonly Redraw<AutoregressiveState>[],
    { power, length, step }: RedrawOptions,
  ): Promise<(AutoregressiveState & RedrawnState)[]> {
    const heads = await Promise.all(texts.map((redraw) => this.#head(redraw)));
    // The last kept token is read again, which gives the distribution of the first token to draw.
    await this.#generator.read(
      heads.map(({ text, sequence, held }) => {
        return { sequence, tokens: Int32Array.from(text.tokens.slice(held)) };
      }),
    );
    const drawn = await this.#generator.draw(
      heads.map(({ text, sequence }, i) => ({
        text,
        sequence,
        stream: redrawnStream(step, i),
        maxTokens: length - text.tokens.length,
        keep: false,
        keepEnded: this.#canCut, // if texts can't be cut, nothing continues these sequences
      })),
      { power },
    );
    await Promise.all(heads.map(({ sequence }) => sequence[Symbol.asyncDispose]()));
    return drawn.map((text) => ({ drawnLogProbs: [], ...text }));
  }

  /**
   * The part of a text that is kept. Its sequence holds the first `held` tokens: all but the last one, or
   * none if the engine can't cut sequences.
   */
  async #head({ state, cut }: Redraw<AutoregressiveState>): Promise<Prefix & { held: number }> {
    const text = {
      ...this.#generator.head(state, cut),
      drawnLogProbs: state.drawnLogProbs?.slice(0, cut) ?? [],
    };
    const held = this.#canCut ? Math.max(0, cut - 1) : 0;
    const source = held === 0 ? this.#start : state.sequence;
    if (source === null) throw new Error("Expected a text that was started or drawn anew");
    const sequence = await source.fork();
    if (held > 0) await sequence.truncate(this.#options.prompt.length + held);
    return { text, sequence, held };
  }

  async rank(
    states: readonly AutoregressiveState[],
    count: number,
  ): Promise<Ranked<AutoregressiveState>[]> {
    const ranked = await this.#generator.rank(states.map(prefixOf), count);
    return ranked.map(({ sequence, tokens, logProbs, logMass }, i) => ({
      state: { ...(states[i] as AutoregressiveState), sequence },
      next: Array.from(tokens, (token, n) => ({
        token,
        logProb: logProbs[n] as number,
        ...(logMass !== undefined && { logMass }),
      })),
    }));
  }

  extend(ranked: AutoregressiveState, next: NextToken): AutoregressiveState {
    return this.#generator.append(prefixOf(ranked), next);
  }

  async release(states: readonly AutoregressiveState[]): Promise<void> {
    await Promise.all(states.map((state) => state.sequence?.[Symbol.asyncDispose]()));
  }

  usage(): Promise<Usage> {
    return this.#generator.usage();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#generator[Symbol.asyncDispose]();
  }
}

/** @internal The prefix from which an unfinished text goes on. */
export function prefixOf(state: DrawnText): Prefix {
  if (state.sequence === null) throw new Error("Expected an unfinished state");
  return { text: state, sequence: state.sequence };
}
