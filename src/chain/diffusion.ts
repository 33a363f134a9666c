/**
 * The chain of a diffusion model: a state is a text some of whose positions are masked. States are
 * plain arrays, so nothing is kept in the engine, and states that are equal share their passes.
 *
 * With a cache the chain is another one than without: keys and values are computed anew at each
 * block's first step and at each guidance step's.
 */

import type { Model } from "../engine/local/model.js";
import type { ContextPlan } from "../planning/capacity.js";
import type {
  DrawName,
  Hypothesis,
  Proposal,
  Rollout,
  Text,
  TrajectoryChain,
  Usage,
} from "./chain.js";
import { blockSteps } from "./denoising.js";
import {
  DiffusionDrawer,
  type DiffusionOptions,
  type DiffusionRollout,
} from "./diffusion-drawer.js";
import type { DiffusionState } from "./diffusion-texts.js";

/** Word 2 of the random counter for candidates; rollouts have their number there. */
const CANDIDATE = 0xffffffff;
/** Set in word 2, so that no draw of the chain shares its numbers. */
const PROPOSAL = 0x80000000;

export class DiffusionChain implements TrajectoryChain<DiffusionState> {
  readonly #drawer: DiffusionDrawer;
  readonly #guidanceLength: number;
  readonly #lastStep: number;
  readonly returns: readonly number[];

  private constructor(
    drawer: DiffusionDrawer,
    guidanceLength: number,
    { denoising, maxTokens }: DiffusionOptions,
  ) {
    this.#drawer = drawer;
    this.#guidanceLength = guidanceLength;
    this.#lastStep = denoising.denoisingSteps;
    const isExact = denoising.cache === "none" && denoising.parallel === null;
    const unit = isExact ? 1 : blockSteps(denoising, maxTokens);
    this.returns = Array.from({ length: this.#lastStep / unit }, (_, i) => i * unit);
  }

  /** @param guidanceLength denoising steps of a guidance step */
  static async open(
    model: Model,
    plan: ContextPlan,
    options: DiffusionOptions,
    guidanceLength: number,
  ): Promise<DiffusionChain> {
    const drawer = await DiffusionDrawer.open(model, plan, options);
    return new DiffusionChain(drawer, guidanceLength, options);
  }

  get isOutOfBudget(): boolean {
    return this.#drawer.isOutOfBudget;
  }

  async start(): Promise<DiffusionState> {
    return this.#drawer.texts.start();
  }

  advance(
    state: DiffusionState,
    count: number,
    step: number,
    first = 0,
  ): Promise<DiffusionState[]> {
    const same = Array.from({ length: count }, () => state);
    return this.#advance(same, step, first);
  }

  advanceEach(states: readonly DiffusionState[], step: number): Promise<DiffusionState[]> {
    return this.#advance(states, step, 0);
  }

  redrawFrom(
    texts: readonly DiffusionState[],
    step: number,
    draw: number,
  ): Promise<DiffusionState[]> {
    const states = texts.map((text) => this.#drawer.texts.rewind(text, step));
    return this.#draw(states, this.#lastStep, draw, 0);
  }

  search(
    hypotheses: readonly Hypothesis<DiffusionState>[],
    width: number,
    wanted: number,
  ): Promise<Hypothesis<DiffusionState>[] | null> {
    const to = this.#stepAfter(hypotheses[0]?.state);
    return this.#drawer.search(hypotheses, to, { width, wanted, stream: [0, 0, CANDIDATE] });
  }

  #advance(
    states: readonly DiffusionState[],
    step: number,
    first: number,
  ): Promise<DiffusionState[]> {
    return this.#draw(states, this.#stepAfter(states[0]), step, first);
  }

  /** The denoising step before which the state's guidance step ends. */
  #stepAfter({ denoised }: Pick<DiffusionState, "denoised"> = { denoised: 0 }): number {
    return Math.min(denoised + this.#guidanceLength, this.#lastStep);
  }

  async #draw(
    states: readonly DiffusionState[],
    to: number,
    step: number,
    first: number,
  ): Promise<DiffusionState[]> {
    const requests = states.map((state, i) => ({
      state,
      stream: [step, first + i, CANDIDATE] as [number, number, number],
    }));
    const drawn = await this.#drawer.draw(requests, to);
    return drawn.map(({ state }) => state);
  }

  complete(
    states: readonly DiffusionState[],
    count: number,
    step: number,
    candidates: readonly number[],
  ): Promise<DiffusionRollout[][]> {
    return this.#drawer.complete(states, count, (i, rollout) => [
      step,
      candidates[i] as number,
      rollout,
    ]);
  }

  /** Rollouts are whole texts: nothing but a state is ever finished. */
  async finish(
    state: DiffusionState,
    begun: Text,
    { step, candidate, rollout }: DrawName,
  ): Promise<Text> {
    const stream = [step, candidate, rollout] as [number, number, number];
    const [drawn] = await this.#drawer.complete([state], 1, () => stream);
    return drawn?.[0] ?? begun;
  }

  /** Positions are left out: where they don't depend on the tokens, all kernels choose them alike. */
  score(
    _states: readonly DiffusionState[],
    rollouts: readonly (readonly Rollout[])[],
  ): Promise<Rollout[][]> {
    return this.#drawer.score(rollouts);
  }

  async release(): Promise<void> {}

  usage(): Promise<Usage> {
    return this.#drawer.usage();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#drawer[Symbol.asyncDispose]();
  }
}

/** Rollouts by Fast-dLLM, of the same weights or others: cached, or several positions a step. */
export class DiffusionProposal implements Proposal<DiffusionState> {
  readonly #drawer: DiffusionDrawer;
  readonly #isOnePass: boolean;

  private constructor(drawer: DiffusionDrawer, isOnePass: boolean) {
    this.#drawer = drawer;
    this.#isOnePass = isOnePass;
  }

  static async open(
    model: Model,
    plan: ContextPlan,
    options: DiffusionOptions,
  ): Promise<DiffusionProposal> {
    const drawer = await DiffusionDrawer.open(model, plan, options);
    return new DiffusionProposal(drawer, options.ratio === "one-pass");
  }

  get isOutOfBudget(): boolean {
    return this.#drawer.isOutOfBudget;
  }

  async complete(
    states: readonly DiffusionState[],
    count: number,
    step: number,
    candidates: readonly number[],
  ): Promise<DiffusionRollout[][]> {
    const drawn = await this.#drawer.complete(states, count, (i, rollout) => [
      step,
      candidates[i] as number,
      PROPOSAL + rollout,
    ]);
    // The ratio is of one quantity under both models.
    return this.#isOnePass ? this.#drawer.score(drawn) : drawn;
  }

  /** Of rollouts that the reference drew there are none: a mixture is refused. */
  async score(states: readonly DiffusionState[]): Promise<Rollout[][]> {
    return states.map(() => []);
  }

  usage(): Promise<Usage> {
    return this.#drawer.usage();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#drawer[Symbol.asyncDispose]();
  }
}
