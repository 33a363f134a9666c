/**
 * The chain of an autoregressive model: a state is a prefix cached as a sequence, its candidates
 * and rollouts are forks of it. The prompt is prefilled once, and no token is decoded twice.
 */
import type { ContextPlan, Demand } from "../engine/capacity.js";
import type { Model } from "../engine/model.js";
import type { Chain, Rollout, Usage } from "./chain.js";
import { type DrawerOptions, type DrawnText, type Prefix, TextDrawer } from "./text-drawer.js";

export type AutoregressiveState = DrawnText;

export interface AutoregressiveOptions extends DrawerOptions {
  prompt: Int32Array;
  /** Tokens of one guidance step. */
  blockTokens: number;
}

/** What of the options the size of a context depends on. */
export interface ChainShape {
  promptTokens: number;
  maxTokens: number;
  blockTokens: number;
  candidates: number;
  rollouts: number;
  /** Whether another model draws rollouts, which this one scores. */
  isScored: boolean;
}

/** What the chain keeps and runs: the state, its candidates, and their rollouts. */
export function chainDemand(shape: ChainShape): Demand {
  const { promptTokens, maxTokens, blockTokens, candidates, rollouts, isScored } = shape;
  const isOneStep = blockTokens >= maxTokens;
  return {
    promptTokens,
    maxTokens,
    parallel: isOneStep ? candidates : candidates * rollouts,
    held: isOneStep ? 1 : candidates + 1,
    heldTokens: Math.min(blockTokens, maxTokens),
    scores: isScored,
    // Decoding's and scoring's log-probabilities are compared under importance sampling.
    flashAttention: isScored ? false : "auto",
  };
}

/** Word 2 of the random counter for candidates; rollouts have their number there. */
const CANDIDATE = 0xffffffff;

export class AutoregressiveChain implements Chain<AutoregressiveState> {
  readonly #options: AutoregressiveOptions;
  readonly #drawer: TextDrawer;

  private constructor(drawer: TextDrawer, options: AutoregressiveOptions) {
    this.#drawer = drawer;
    this.#options = options;
  }

  /** Leases the planned context for the run. */
  static async open(
    model: Model,
    plan: ContextPlan,
    options: AutoregressiveOptions,
  ): Promise<AutoregressiveChain> {
    const context = await model.lease(plan, plan.flashAttention);
    return new AutoregressiveChain(await TextDrawer.open(model, context, options), options);
  }

  get isOutOfBudget(): boolean {
    return this.#drawer.isOutOfBudget;
  }

  async start(): Promise<AutoregressiveState> {
    const sequence = await this.#drawer.prefill(this.#options.prompt);
    return { text: "", tokens: [], logProbs: [], finishReason: null, sequence };
  }

  advance(
    state: AutoregressiveState,
    count: number,
    step: number,
    first = 0,
  ): Promise<AutoregressiveState[]> {
    const left = this.#options.maxTokens - state.tokens.length;
    const maxTokens = Math.min(this.#options.blockTokens, left);
    return this.#drawer.draw(
      Array.from({ length: count }, (_, i) => ({
        ...prefixOf(state),
        stream: [step, first + i, CANDIDATE],
        maxTokens,
        keep: maxTokens < left,
      })),
    );
  }

  async complete(
    states: readonly AutoregressiveState[],
    count: number,
    step: number,
    candidates: readonly number[],
  ): Promise<Rollout[][]> {
    return this.#drawer.complete(states.map(prefixOf), count, (i, rollout) => [
      step,
      candidates[i] as number,
      rollout,
    ]);
  }

  async score(
    states: readonly AutoregressiveState[],
    rollouts: readonly (readonly Rollout[])[],
  ): Promise<number[][]> {
    return this.#drawer.score(states.map(prefixOf), rollouts);
  }

  async release(states: readonly AutoregressiveState[]): Promise<void> {
    await Promise.all(states.map((state) => state.sequence?.[Symbol.asyncDispose]()));
  }

  usage(): Promise<Usage> {
    return this.#drawer.usage();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#drawer[Symbol.asyncDispose]();
  }
}

function prefixOf(state: AutoregressiveState): Prefix {
  if (state.sequence === null) throw new Error("Expected an unfinished state");
  return { text: state, sequence: state.sequence };
}
