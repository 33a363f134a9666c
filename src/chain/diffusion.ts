/**
 * The chain of a diffusion model. A state is a text of which some positions are masked. States are plain
 * arrays, so nothing is kept in the engine, and equal states share their passes.
 *
 * A cache changes the chain's distribution, because later steps of a block use keys and values of an
 * earlier text. They are computed again at the first step of each block and of each guidance step.
 */

import type { Model } from "../engine/engine.js";
import type { RandomStream } from "../engine/sequences.js";
import type { ContextPlan } from "../planning/context-plan.js";
import type {
  Hypothesis,
  Rollout,
  Text,
  TrajectoryChain,
  TrajectoryProposal,
  Usage,
} from "./chain.js";
import type { DenoisingOptions } from "./chain-options.js";
import { blockSteps, guidanceLength } from "./denoising.js";
import {
  type DenoisedState,
  DenoisingGenerator,
  type DiffusionRollout,
} from "./denoising-generator.js";
import type { DiffusionState } from "./diffusion-texts.js";
import { candidateStream, proposedStream, rolloutStream, searchStream } from "./random-streams.js";

export class DiffusionChain implements TrajectoryChain<DiffusionState> {
  readonly kind = "trajectory";
  readonly conditions = false;
  readonly #generator: DenoisingGenerator;
  /** Denoising steps of a guidance step. */
  readonly #guidanceLength: number;
  readonly #lastStep: number;
  readonly #blockLengths: readonly number[];
  readonly returns: readonly number[];

  private constructor(generator: DenoisingGenerator, options: DenoisingOptions) {
    const { denoising, guidance, limits } = options;
    this.#generator = generator;
    this.#guidanceLength = guidanceLength(denoising, guidance.blockTokens, limits.maxTokens);
    this.#lastStep = denoising.denoisingSteps;
    this.#blockLengths = denoising.blockLengths ?? [denoising.blockLength];
    const isExact = denoising.cache === "none" && denoising.parallel === null;
    const unit = isExact ? 1 : blockSteps(denoising, limits.maxTokens);
    this.returns = Array.from({ length: this.#lastStep / unit }, (_, i) => i * unit);
  }

  static async open(
    model: Model,
    plan: ContextPlan,
    options: DenoisingOptions,
  ): Promise<DiffusionChain> {
    return new DiffusionChain(await DenoisingGenerator.open(model, plan, options), options);
  }

  get isOutOfBudget(): boolean {
    return this.#generator.isOutOfBudget;
  }

  async start(): Promise<DiffusionState> {
    return this.#generator.texts.start();
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
    const states = texts.map((text) => this.#generator.texts.rewind(text, step));
    return this.#draw(states, this.#lastStep, draw, 0);
  }

  search(
    hypotheses: readonly Hypothesis<DiffusionState>[],
    width: number,
    wanted: number,
  ): Promise<Hypothesis<DiffusionState>[] | null> {
    const to = this.#stepAfter(hypotheses[0]?.state);
    return this.#generator.search(hypotheses, to, { width, wanted, stream: searchStream() });
  }

  #advance(
    states: readonly DiffusionState[],
    step: number,
    first: number,
  ): Promise<DiffusionState[]> {
    return this.#draw(states, this.#stepAfter(states[0]), step, first);
  }

  /** The denoising step at which the state's next guidance step ends. */
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
      stream: candidateStream(step, first + i),
    }));
    const drawn: DiffusionState[] = [];
    // One native call for each block length. With several lengths, the states are starts of whole texts.
    const lengthOf = (i: number) => this.#blockLengths[(first + i) % this.#blockLengths.length];
    for (const length of new Set(this.#blockLengths)) {
      const turns = requests.flatMap((_, i) => (lengthOf(i) === length ? [i] : []));
      const own = turns.map((i) => requests[i] as (typeof requests)[number]);
      const texts = await this.#generator.draw(own, to, length);
      for (const [n, i] of turns.entries()) drawn[i] = (texts[n] as DenoisedState).state;
    }
    return drawn;
  }

  complete(
    states: readonly DiffusionState[],
    count: number,
    step: number,
    candidates: readonly number[],
  ): Promise<DiffusionRollout[][]> {
    return this.#generator.complete(states, count, (i, rollout) =>
      rolloutStream(step, candidates[i] as number, rollout),
    );
  }

  /** Draws a whole text from the state. A diffusion model's rollouts are never `answered` or unfinished. */
  async finish(state: DiffusionState, begun: Text, stream: RandomStream): Promise<Text> {
    const [drawn] = await this.#generator.complete([state], 1, () => stream);
    return drawn?.[0] ?? begun;
  }

  /**
   * Does not score the choice of positions. If it doesn't depend on the tokens, all models choose the
   * same positions.
   */
  score(
    _states: readonly DiffusionState[],
    rollouts: readonly (readonly Rollout[])[],
  ): Promise<Rollout[][]> {
    return this.#generator.score(rollouts);
  }

  async release(): Promise<void> {}

  usage(): Promise<Usage> {
    return this.#generator.usage();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#generator[Symbol.asyncDispose]();
  }
}

/**
 * Draws rollouts with Fast-dLLM, with the same weights or others: with a cache, or with several positions
 * per step.
 */
export class DiffusionProposal implements TrajectoryProposal<DiffusionState> {
  readonly kind = "trajectory";
  readonly #generator: DenoisingGenerator;
  readonly #isOnePass: boolean;

  private constructor(generator: DenoisingGenerator, isOnePass: boolean) {
    this.#generator = generator;
    this.#isOnePass = isOnePass;
  }

  static async open(
    model: Model,
    plan: ContextPlan,
    options: DenoisingOptions,
  ): Promise<DiffusionProposal> {
    const generator = await DenoisingGenerator.open(model, plan, options);
    return new DiffusionProposal(generator, options.ratio === "one-pass");
  }

  get isOutOfBudget(): boolean {
    return this.#generator.isOutOfBudget;
  }

  async complete(
    states: readonly DiffusionState[],
    count: number,
    step: number,
    candidates: readonly number[],
  ): Promise<DiffusionRollout[][]> {
    const drawn = await this.#generator.complete(states, count, (i, rollout) =>
      proposedStream(step, candidates[i] as number, rollout),
    );
    // For the one-pass ratio, both models must score the same quantity.
    return this.#isOnePass ? this.#generator.score(drawn) : drawn;
  }

  /** There are never rollouts of the reference to score, because mixtures are refused. */
  async score(states: readonly DiffusionState[]): Promise<Rollout[][]> {
    return states.map(() => []);
  }

  usage(): Promise<Usage> {
    return this.#generator.usage();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#generator[Symbol.asyncDispose]();
  }
}
