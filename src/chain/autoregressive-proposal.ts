/**
 * Rollouts of an autoregressive chain's states by a smaller model. The proposal keeps its own cache
 * of what the chain has committed: the prompt is prefilled once, and each candidate's block once,
 * on top of the sequence of the state it came from.
 */

import type { Sequence } from "../engine/local/context.js";
import type { Model } from "../engine/local/model.js";
import type { ContextPlan, Demand } from "../planning/capacity.js";
import type { AutoregressiveOptions, ChainShape } from "./autoregressive.js";
import type { ChainState, Proposal, Rollout, Usage } from "./chain.js";
import { type Prefix, TextDrawer } from "./text-drawer.js";

/** Set in word 2 of the random counter, so that no draw of the chain shares its numbers. */
const PROPOSAL = 0x80000000;

/** What the proposal keeps and runs: the new prefixes, the one they continue, and the rollouts. */
export function proposalDemand(shape: ChainShape, isScored: boolean): Demand {
  const { promptTokens, maxTokens, candidates, rollouts } = shape;
  const block = Math.min(shape.blockTokens, maxTokens);
  return {
    promptTokens,
    maxTokens,
    parallel: candidates * rollouts,
    held: candidates + 2,
    heldTokens: (candidates + 1) * block,
    continuedTokens: maxTokens - block,
    readTokens: candidates * block,
    scores: isScored,
    comparesLogProbs: true,
  };
}

interface CachedPrefix {
  tokens: readonly number[];
  sequence: Sequence;
}

export class AutoregressiveProposal implements Proposal {
  readonly #drawer: TextDrawer;
  readonly #options: AutoregressiveOptions;
  /** Prefixes of this step's states and of what they continue; the next step's continue these. */
  #cache: CachedPrefix[] = [];
  #step = -1;

  private constructor(drawer: TextDrawer, options: AutoregressiveOptions) {
    this.#drawer = drawer;
    this.#options = options;
  }

  /** Leases the planned context for the run. */
  static async open(
    model: Model,
    plan: ContextPlan,
    options: AutoregressiveOptions,
  ): Promise<AutoregressiveProposal> {
    const context = await model.lease(plan);
    return new AutoregressiveProposal(await TextDrawer.open(model, context, options), options);
  }

  get isOutOfBudget(): boolean {
    return this.#drawer.isOutOfBudget;
  }

  async complete(
    states: readonly ChainState[],
    count: number,
    step: number,
    candidates: readonly number[],
  ): Promise<Rollout[][]> {
    const isNewStep = states.length > 0 && step !== this.#step;
    if (isNewStep) this.#step = step;
    const prefixes = await this.#cachePrefixes(states, isNewStep);
    return this.#drawer.complete(prefixes, count, (i, rollout) => [
      step,
      candidates[i] as number,
      PROPOSAL + rollout,
    ]);
  }

  async score(
    states: readonly ChainState[],
    rollouts: readonly (readonly Rollout[])[],
  ): Promise<Rollout[][]> {
    return this.#drawer.score(await this.#cachePrefixes(states, false), rollouts);
  }

  usage(): Promise<Usage> {
    return this.#drawer.usage();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#drawer[Symbol.asyncDispose]();
  }

  /**
   * A sequence for each state, decoding only what no cached prefix holds. A new step's states make
   * those that they don't continue superfluous.
   */
  async #cachePrefixes(states: readonly ChainState[], isNewStep: boolean): Promise<Prefix[]> {
    if (states.length === 0) return []; // what is cached may still be continued
    if (this.#cache.length === 0) {
      const sequence = await this.#drawer.prefill(this.#options.prompt);
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
    await this.#drawer.read(grown);
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
