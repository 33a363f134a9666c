/**
 * The chain of an autoregressive model: a state is a prefix cached as a sequence, its candidates
 * and rollouts are forks of it. The prompt is prefilled once, and no token is decoded twice.
 */
import type { Model } from "../engine/model.js";
import type { Chain, Rollout, Usage } from "./chain.js";
import { type DrawerOptions, type DrawnText, type Prefix, TextDrawer } from "./text-drawer.js";

export type AutoregressiveState = DrawnText;

export interface AutoregressiveOptions extends DrawerOptions {
  prompt: Int32Array;
  /** Tokens of one guidance step. */
  blockTokens: number;
  /** The most states of one `advance`, and rollouts of one state. */
  candidates: number;
  rollouts: number;
  /** Whether rollouts are scored, or drawn elsewhere and scored: decoding must match scoring. */
  flashAttention: false | "auto";
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

  /** Plans and leases a context for the run. Throws `ERR_CONTEXT_FULL`, `ERR_OUT_OF_MEMORY`. */
  static async open(model: Model, options: AutoregressiveOptions): Promise<AutoregressiveChain> {
    const { candidates, rollouts, maxTokens, blockTokens, flashAttention } = options;
    const isOneStep = blockTokens >= maxTokens;
    const capacity = model.plan({
      promptTokens: options.prompt.length,
      maxTokens,
      parallel: isOneStep ? candidates : candidates * rollouts,
      held: isOneStep ? 1 : candidates + 1,
      heldTokens: Math.min(blockTokens, maxTokens),
    });
    const context = await model.lease(capacity, flashAttention);
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
  ): Promise<number[][][]> {
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
