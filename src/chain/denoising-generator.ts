/** Denoises and scores texts of one diffusion model. Its chain and its proposal both use this. */

import type { DenoisedText, Denoiser, DenoiserStatus, UnmaskedText } from "../engine/denoiser.js";
import type { DenoisingRequest } from "../engine/denoising-request.js";
import type { Model } from "../engine/engine.js";
import type { RandomStream } from "../engine/sequences.js";
import { scoreUnmasking } from "../engine/unmasking.js";
import type { ContextPlan } from "../planning/context-plan.js";
import type { Hypothesis, Rollout, Usage } from "./chain.js";
import type { DenoisingOptions } from "./chain-options.js";
import { type DiffusionState, DiffusionTexts } from "./diffusion-texts.js";
import { randomKey } from "./random-streams.js";
import { RunLimits } from "./run-limits.js";

/** A finished text, and the order in which it was unmasked from its state on. */
export interface DiffusionRollout extends Rollout {
  unmasked: UnmaskedText;
}

interface DenoiseRequest {
  state: DiffusionState;
  stream: RandomStream;
}

interface SearchOptions {
  width: number;
  wanted: number;
  /** Shared by all hypotheses. */
  stream: RandomStream;
}

/** The number of rollouts that are scored between two checks of a deadline. */
const SCORED_AT_ONCE = 8;

export class DenoisingGenerator implements AsyncDisposable {
  readonly #context: Denoiser;
  readonly texts: DiffusionTexts;
  readonly #options: DenoisingOptions;
  readonly #started = performance.now();
  readonly #limits: RunLimits;

  private constructor(model: Model, context: Denoiser, options: DenoisingOptions) {
    this.#context = context;
    this.texts = new DiffusionTexts(model, context.maskToken, options);
    this.#options = options;
    this.#limits = new RunLimits(context, { ...options.limits, onProgress: options.onProgress });
  }

  static async open(
    model: Model,
    plan: ContextPlan,
    options: DenoisingOptions,
  ): Promise<DenoisingGenerator> {
    const { prompt, limits, denoising } = options;
    const context = await model.openDenoiser({
      length: prompt.length + limits.maxTokens,
      texts: plan.parallel,
      cache: denoising.cache,
      guidance: denoising.cfgScale > 0,
    });
    if (context.cache !== denoising.cache) {
      options.onWarning?.(
        `\`cache: "${denoising.cache}"\` is "${context.cache}" here: llama.cpp's state has another layout than the one by which what is after a block can be kept`,
      );
    }
    return new DenoisingGenerator(model, context, options);
  }

  get isOutOfBudget(): boolean {
    return this.#limits.isOutOfBudget;
  }

  /**
   * Denoises states that are at the same step, all in one native call, up to step `to`, in blocks of
   * `blockLength` positions.
   */
  async draw(
    requests: readonly DenoiseRequest[],
    to: number,
    blockLength = this.#options.denoising.blockLength,
  ): Promise<DenoisedState[]> {
    const [first] = requests;
    if (first === undefined) return [];
    const { parallel } = this.#options.denoising;
    const texts = await this.#run(first.state, to, blockLength, (shared) =>
      this.#context.denoise({
        ...shared,
        ...(parallel && { parallel }),
        texts: requests.map(({ state, stream }) => ({ tokens: state.canvas, stream })),
      }),
    );
    if (texts === null) return requests.map(({ state }) => unchanged(state));
    return texts.map((text, i) => this.#toDrawn((requests[i] as DenoiseRequest).state, text, to));
  }

  /**
   * Extends hypotheses that are at the same step up to step `to`, all in one native call. Returns the
   * `width` most probable texts that go on, and the more probable ones that ended. The search ends once
   * `wanted` texts have ended. Returns null if the budget is spent before.
   */
  async search(
    hypotheses: readonly Hypothesis<DiffusionState>[],
    to: number,
    { width, wanted, stream }: SearchOptions,
  ): Promise<Hypothesis<DiffusionState>[] | null> {
    const [first] = hypotheses;
    if (first === undefined) return [];
    const { blockLength } = this.#options.denoising;
    const found = await this.#run(first.state, to, blockLength, (shared) =>
      this.#context.search({
        ...shared,
        width,
        wanted,
        stream,
        texts: hypotheses.map(({ state, logProb }) => ({ tokens: state.canvas, logProb })),
      }),
    );
    return (
      found?.map(({ origin, logProb, ...text }) => {
        const state = this.texts.extend(hypotheses[origin]?.state as DiffusionState, text, to);
        return { state, logProb, length: state.order.filter((step) => step >= 0).length };
      }) ?? null
    );
  }

  /** Calls `denoise` from a state's step on, within the budget; null if the budget is already spent. */
  async #run<T extends Pick<DenoisedText, "finish">>(
    { denoised: from }: DiffusionState,
    to: number,
    blockLength: number,
    denoise: (shared: DenoisingRequest) => Promise<T[]>,
  ): Promise<T[] | null> {
    if (this.#limits.isCutOff()) return null;
    const { prompt, policy, denoising } = this.#options;
    const { denoisingSteps: steps, remasking, cfgScale } = denoising;
    const shared = {
      prompt,
      sampling: policy.sampling,
      remasking,
      cfgScale,
      schedule: { blockLength, steps, from, to },
      key: randomKey(policy.seed),
      ...this.#limits.left,
    };
    const show = () => this.texts.show(this.#context.shown);
    const { onLive } = this.#options;
    const look = onLive && (() => onLive(show(), null));
    const texts = await this.#limits.watch(() => denoise(shared), { show, look });
    this.#limits.spend(this.#context.progress);
    this.#limits.report();
    if (texts.some(({ finish }) => finish === "budget")) this.#limits.cutOff();
    return texts;
  }

  /** Denoises `count` copies of each state to the end, with the random numbers of `streamOf`. */
  async complete(
    states: readonly DiffusionState[],
    count: number,
    streamOf: (state: number, rollout: number) => RandomStream,
  ): Promise<DiffusionRollout[][]> {
    const requests = states.flatMap((state, i) =>
      Array.from({ length: count }, (_, rollout) => ({ state, stream: streamOf(i, rollout) })),
    );
    const drawn = await this.draw(requests, this.#options.denoising.denoisingSteps);
    const rollouts = drawn.map(
      ({ state, unmasked, logDrawn }): DiffusionRollout => ({ ...state, unmasked, logDrawn }),
    );
    return states.map((_, i) => rollouts.slice(i * count, (i + 1) * count));
  }

  /**
   * The rollouts with a new `logDrawn`: the log-probability of the tokens that each rollout unmasked, each
   * given the text before its step, or, for the one-pass ratio, given the finished text. It is -Infinity
   * for rollouts that the budget leaves unscored.
   */
  async score<R extends Rollout>(rollouts: readonly (readonly R[])[]): Promise<R[][]> {
    const { prompt, policy, denoising, ratio, limits } = this.#options;
    const texts = rollouts
      .flat()
      .map((rollout) => (rollout as Rollout as DiffusionRollout).unmasked);
    const atOnce = limits.budget.msLeft === null ? texts.length : SCORED_AT_ONCE;
    const scores: number[] = [];
    while (scores.length < texts.length) {
      if (this.#limits.isCutOff()) break;
      const batch = texts.slice(scores.length, scores.length + atOnce);
      const scored = { sampling: policy.sampling, cfgScale: denoising.cfgScale };
      const logProbs = await this.#limits.call(() =>
        scoreUnmasking(this.#context, prompt, batch, scored, ratio === "one-pass"),
      );
      scores.push(...logProbs.map(sumOfKnown));
    }
    const rescored = rollouts.flat().map((rollout, i) => {
      return { ...rollout, logDrawn: scores[i] ?? Number.NEGATIVE_INFINITY };
    });
    return rollouts.map((own) => rescored.splice(0, own.length));
  }

  async usage(): Promise<Usage> {
    const now: DenoiserStatus = await this.#context.status();
    const prefilled = now.fullPasses * this.#options.prompt.length;
    return {
      prefilled,
      cached: 0,
      generated: now.unmasked,
      decoded: now.positions - prefilled,
      scored: now.scored,
      passes: now.fullPasses + now.blockPasses,
      forks: 0,
      decodes: now.decodes,
      ms: performance.now() - this.#started,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#limits[Symbol.dispose]();
    await this.#context[Symbol.asyncDispose]();
  }

  #toDrawn(state: DiffusionState, text: DenoisedText, to: number): DenoisedState {
    return {
      state: this.texts.extend(state, text, to),
      unmasked: { tokens: text.tokens, order: text.order },
      logDrawn: sumOfKnown(text.logProbs),
    };
  }
}

/** A state after denoising, and how it was reached. */
export interface DenoisedState {
  state: DiffusionState;
  unmasked: UnmaskedText;
  /** log of the probability of the drawn tokens. */
  logDrawn: number;
}

function unchanged(state: DiffusionState): DenoisedState {
  const order = new Int32Array(state.canvas.length).fill(-1);
  return { state, unmasked: { tokens: state.canvas, order }, logDrawn: 0 };
}

/** The sum of all numbers except NaN. */
function sumOfKnown(logProbs: Float64Array): number {
  return logProbs.reduce((sum, x) => (Number.isNaN(x) ? sum : sum + x), 0);
}
