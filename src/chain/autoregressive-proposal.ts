/**
 * A smaller model that draws the rollouts of an autoregressive chain's states. The proposal has its own
 * cache of the chain's texts. It prefills the prompt once, and each candidate's block once, in a fork of
 * the sequence of the state that the candidate continues.
 */

import type { Model } from "../engine/engine.js";
import type { Sequence } from "../engine/sequences.js";
import type { ContextPlan } from "../planning/context-plan.js";
import { prefixOf } from "./autoregressive.js";
import type { ChainState, PrefixProposal, Rollout, RolloutName, Usage } from "./chain.js";
import type { ChainOptions } from "./chain-options.js";
import { proposedStream } from "./random-streams.js";
import { TextGenerator } from "./text-generator.js";
import type { DrawnText, Prefix } from "./text-writer.js";

interface CachedPrefix {
  tokens: readonly number[];
  sequence: Sequence;
}

export class AutoregressiveProposal implements PrefixProposal {
  readonly kind = "prefix";
  readonly #generator: TextGenerator;
  readonly #options: ChainOptions;
  /** Prefixes of this step's states and of the states that they continue. The next step continues these. */
  #cache: CachedPrefix[] = [];
  #step = -1;

  private constructor(generator: TextGenerator, options: ChainOptions) {
    this.#generator = generator;
    this.#options = options;
  }

  static async open(
    model: Model,
    plan: ContextPlan,
    options: ChainOptions,
  ): Promise<AutoregressiveProposal> {
    return new AutoregressiveProposal(await TextGenerator.open(model, plan, options), options);
  }

  get isOutOfBudget(): boolean {
    return this.#generator.isOutOfBudget;
  }

  async complete(
    states: readonly ChainState[],
    count: number,
    step: number,
    candidates: readonly number[],
  ): Promise<Rollout[][]> {
    const prefixes = await this.#prefixesOf(states, step);
    return this.#generator.complete(prefixes, count, (i, rollout) =>
      proposedStream(step, candidates[i] as number, rollout),
    );
  }

  async begin(states: readonly ChainState[], step: number): Promise<DrawnText[]> {
    const prefixes = await this.#prefixesOf(states, step);
    return prefixes.map(({ text, sequence }) => {
      const finishReason = this.#generator.hasAnswered(text) ? "answered" : null;
      return { ...text, finishReason, sequence };
    });
  }

  grow(
    texts: readonly DrawnText[],
    tokens: number,
    names: readonly RolloutName[],
  ): Promise<DrawnText[]> {
    const streamOf = (i: number) => {
      const { step, candidate, rollout } = names[i] as RolloutName;
      return proposedStream(step, candidate, rollout);
    };
    return this.#generator.grow(texts.map(prefixOf), tokens, streamOf, this.#options.answerEnd);
  }

  async release(texts: readonly DrawnText[]): Promise<void> {
    await Promise.all(texts.map(({ sequence }) => sequence?.[Symbol.asyncDispose]()));
  }

  async score(
    states: readonly ChainState[],
    rollouts: readonly (readonly Rollout[])[],
  ): Promise<Rollout[][]> {
    return this.#generator.scorer.score(await this.#cachePrefixes(states, false), rollouts);
  }

  usage(): Promise<Usage> {
    return this.#generator.usage();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#generator[Symbol.asyncDispose]();
  }

  #prefixesOf(states: readonly ChainState[], step: number): Promise<Prefix[]> {
    const isNewStep = states.length > 0 && step !== this.#step;
    if (isNewStep) this.#step = step;
    return this.#cachePrefixes(states, isNewStep);
  }

  /**
   * A sequence for each state. It decodes only the tokens that no cached prefix holds. With a new step,
   * it frees the prefixes that no state of the step continues.
   */
  async #cachePrefixes(states: readonly ChainState[], isNewStep: boolean): Promise<Prefix[]> {
    if (states.length === 0) return []; // keeps the cache, because later states may continue it
    if (this.#cache.length === 0) {
      const sequence = await this.#generator.prefill(this.#options.prompt);
      this.#cache = [{ tokens: [], sequence }];
    }
    const parents = states.map(({ tokens }) => this.#longestPrefix(tokens));
    if (isNewStep) {
      const unused = this.#cache.filter((prefix) => !parents.includes(prefix));
      await disposeAll(unused);
      this.#cache = [...new Set(parents)];
    }
    const known = parents.map((parent, i) => parent.tokens.length === states[i]?.tokens.length);
    const next = await Promise.all(
      states.map(async ({ tokens }, i): Promise<CachedPrefix> => {
        const parent = parents[i] as CachedPrefix;
        return known[i] ? parent : { tokens, sequence: await parent.sequence.fork() };
      }),
    );
    const grown = next.flatMap(({ sequence }, i) => {
      const { tokens } = states[i] as ChainState;
      const added = Int32Array.from(tokens.slice(parents[i]?.tokens.length));
      return added.length > 0 ? [{ sequence, tokens: added }] : [];
    });
    await this.#generator.read(grown);
    this.#cache = [...new Set([...this.#cache, ...next])];
    return next.map(({ sequence }, i) => ({ text: states[i] as ChainState, sequence }));
  }

  #longestPrefix(tokens: readonly number[]): CachedPrefix {
    const prefixes = this.#cache.filter((prefix) => prefix.tokens.every((t, i) => t === tokens[i]));
    return prefixes.reduce((a, b) => (b.tokens.length > a.tokens.length ? b : a));
  }
}

async function disposeAll(prefixes: readonly CachedPrefix[]): Promise<void> {
  await Promise.all(prefixes.map(({ sequence }) => sequence[Symbol.asyncDispose]()));
}
