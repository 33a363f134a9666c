/**
 * The chain of an autoregressive model: a state is a prefix cached as a sequence, its candidates
 * and rollouts are forks of it. The prompt is prefilled once, and no token is decoded twice.
 */

import type { Sequence } from "../engine/local/context.js";
import type { Model } from "../engine/local/model.js";
import type { ContextPlan, Demand } from "../planning/capacity.js";
import type {
  DrawName,
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
import { type DrawerOptions, type Prefix, TextDrawer } from "./text-drawer.js";
import type { DrawnText } from "./text-writer.js";
import { firstValues } from "./token-values.js";

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
    heldTokens: isOneStep ? 0 : candidates * blockTokens,
    continuedTokens: isOneStep ? maxTokens : maxTokens - blockTokens,
    scores: isScored,
    comparesLogProbs: isScored, // under importance sampling
  };
}

/** N particles whose texts have little in common, the states they come from, and rollouts. */
export function particleDemand(shape: ChainShape): Demand {
  const { maxTokens, blockTokens, candidates } = shape;
  return {
    ...chainDemand(shape),
    held: 2 * candidates + 1,
    heldTokens: candidates * maxTokens,
    continuedTokens: Math.max(blockTokens, maxTokens - blockTokens),
  };
}

/** Texts, what is kept of them when their ends are drawn anew, and what that gives. */
export function redrawDemand(shape: ChainShape): Demand {
  const { maxTokens, candidates } = shape;
  return {
    ...chainDemand(shape),
    parallel: candidates,
    held: 3 * candidates + 1,
    heldTokens: candidates * (2 * maxTokens + 1),
    continuedTokens: maxTokens,
  };
}

/** Hypotheses, and those that they are extended to. */
export function rankDemand(shape: ChainShape): Demand {
  const { maxTokens, candidates } = shape;
  return {
    ...chainDemand(shape),
    parallel: candidates,
    held: 2 * candidates + 1,
    heldTokens: candidates * (maxTokens + 1),
    continuedTokens: 0,
  };
}

/** Word 2 of the random counter for candidates and redrawn ends; rollouts have their number. */
const CANDIDATE = 0xffffffff;
const REDRAWN = 0xfffffffe;

export class AutoregressiveChain implements PrefixChain<AutoregressiveState> {
  readonly #options: AutoregressiveOptions;
  readonly #drawer: TextDrawer;
  /** Holds the prompt, with the distribution of the first token. */
  #start: Sequence | null = null;

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
    const context = await model.lease(plan);
    return new AutoregressiveChain(await TextDrawer.open(model, context, options), options);
  }

  get isOutOfBudget(): boolean {
    return this.#drawer.isOutOfBudget;
  }

  async start(): Promise<AutoregressiveState> {
    const sequence = await this.#drawer.prefill(this.#options.prompt);
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

  #advance(states: readonly AutoregressiveState[], step: number, first: number) {
    return this.#drawer.draw(
      states.map((state, i) => {
        const left = this.#options.maxTokens - state.tokens.length;
        const maxTokens = Math.min(this.#options.blockTokens, left);
        return {
          ...prefixOf(state),
          stream: [step, first + i, CANDIDATE],
          maxTokens,
          keep: maxTokens < left,
        };
      }),
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

  finish(
    state: AutoregressiveState,
    begun: Text,
    { step, candidate, rollout }: DrawName,
  ): Promise<Text> {
    return this.#drawer.finish(prefixOf(state), begun, [step, candidate, rollout]);
  }

  async score(
    states: readonly AutoregressiveState[],
    rollouts: readonly (readonly Rollout[])[],
  ): Promise<Rollout[][]> {
    return this.#drawer.score(states.map(prefixOf), rollouts);
  }

  async redraw(
    texts: readonly Redraw<AutoregressiveState>[],
    { power, length, step }: RedrawOptions,
  ): Promise<(AutoregressiveState & RedrawnState)[]> {
    const heads = await Promise.all(texts.map((redraw) => this.#head(redraw)));
    // The last token kept is read again, for the distribution of the first one drawn.
    await this.#drawer.read(
      heads.flatMap(({ text, sequence }) => {
        const last = text.tokens.slice(-1);
        return last.length > 0 ? [{ sequence, tokens: Int32Array.from(last) }] : [];
      }),
    );
    const drawn = await this.#drawer.draw(
      heads.map((head, i) => ({
        ...head,
        stream: [step, i, REDRAWN],
        maxTokens: length - head.text.tokens.length,
        keep: false,
        keepEnded: true,
      })),
      { power },
    );
    await Promise.all(heads.map(({ sequence }) => sequence[Symbol.asyncDispose]()));
    return drawn.map((text) => ({ drawnLogProbs: [], ...text }));
  }

  /** What is kept of a text, without its last token in the sequence; that of `start` has none. */
  async #head({ state, cut }: Redraw<AutoregressiveState>): Promise<Prefix> {
    const tokens = state.tokens.slice(0, cut);
    const text = {
      text: this.#drawer.textOf(tokens),
      tokens,
      ...firstValues(state, cut),
      drawnLogProbs: state.drawnLogProbs?.slice(0, cut) ?? [],
      finishReason: null,
    };
    const source = cut === 0 ? this.#start : state.sequence;
    if (source === null) throw new Error("Expected a text that was started or drawn anew");
    const sequence = await source.fork();
    if (cut > 0) await sequence.truncate(this.#options.prompt.length + cut - 1);
    return { text, sequence };
  }

  async rank(
    states: readonly AutoregressiveState[],
    count: number,
  ): Promise<Ranked<AutoregressiveState>[]> {
    const ranked = await this.#drawer.rank(states.map(prefixOf), count);
    return ranked.map(({ sequence, tokens, logProbs }, i) => ({
      state: { ...(states[i] as AutoregressiveState), sequence },
      next: Array.from(tokens, (token, n) => ({ token, logProb: logProbs[n] as number })),
    }));
  }

  extend(ranked: AutoregressiveState, next: NextToken): AutoregressiveState {
    return this.#drawer.append(prefixOf(ranked), next);
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
