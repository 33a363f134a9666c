/** Denoises and scores texts of one diffusion model: what its chain and its proposal share. */

import type { DenoisingRequest } from "../engine/denoising-request.js";
import type {
  DenoisedText,
  DiffusionContext,
  UnmaskedText,
} from "../engine/local/diffusion-context.js";
import type { Model } from "../engine/local/model.js";
import { rethrow } from "../engine/local/native.js";
import type { DiffusionStatus } from "../engine/local/native-diffusion.js";
import type { Sampling } from "../engine/sampling.js";
import type { ContextPlan } from "../planning/capacity.js";
import type { Budget } from "./budget.js";
import type { Hypothesis, Rollout, Usage } from "./chain.js";
import type { DenoisingSettings, ImportanceRatio } from "./denoising.js";
import { type DiffusionState, DiffusionTexts } from "./diffusion-texts.js";
import { whileReporting } from "./progress.js";

export interface DiffusionOptions {
  prompt: Int32Array;
  sampling: Sampling;
  denoising: DenoisingSettings;
  /** How rollouts are scored. */
  ratio: ImportanceRatio;
  /** Positions of the answer. */
  maxTokens: number;
  stop: readonly string[];
  seed: number;
  budget: Budget;
  signal: AbortSignal | undefined;
  /** Called about ten times a second while texts are denoised: with the positions unmasked. */
  onProgress: ((generated: number, shown?: string) => void) | undefined;
  /** Told what is done in another way than asked for. */
  onWarning?: (message: string) => void;
}

/** A finished text, and how it was unmasked from its state on. */
export interface DiffusionRollout extends Rollout {
  unmasked: UnmaskedText;
}

interface DenoiseRequest {
  state: DiffusionState;
  /** Words 0 to 2 of the random counter. */
  stream: [number, number, number];
}

interface SearchOptions {
  width: number;
  wanted: number;
  /** Words 0 to 2 of the random counter, of all hypotheses. */
  stream: [number, number, number];
}

/** Rollouts scored between two looks at a deadline. */
const SCORED_AT_ONCE = 8;

export class DiffusionDrawer implements AsyncDisposable {
  readonly #context: DiffusionContext;
  readonly texts: DiffusionTexts;
  readonly #options: DiffusionOptions;
  readonly #started = performance.now();
  readonly #abort: () => void;
  #isOutOfBudget = false;
  #generated = 0;

  private constructor(model: Model, context: DiffusionContext, options: DiffusionOptions) {
    this.#context = context;
    this.texts = new DiffusionTexts(model, context.maskToken, options);
    this.#options = options;
    this.#abort = () => context.abort();
    options.signal?.addEventListener("abort", this.#abort, { once: true });
  }

  static async open(
    model: Model,
    plan: ContextPlan,
    options: DiffusionOptions,
  ): Promise<DiffusionDrawer> {
    const { prompt, maxTokens, denoising } = options;
    const context = await model.openDiffusion({
      length: prompt.length + maxTokens,
      texts: plan.parallel,
      cache: denoising.cache,
      guidance: denoising.cfgScale > 0,
    });
    if (context.cache !== denoising.cache) {
      options.onWarning?.(
        `\`cache: "${denoising.cache}"\` is "${context.cache}" here: llama.cpp's state has another layout than the one by which what is after a block can be kept`,
      );
    }
    return new DiffusionDrawer(model, context, options);
  }

  get isOutOfBudget(): boolean {
    return this.#isOutOfBudget;
  }

  /** Denoises states that are equally far, all in one native call, up to step `to`. */
  async draw(requests: readonly DenoiseRequest[], to: number): Promise<DenoisedState[]> {
    const [first] = requests;
    if (first === undefined) return [];
    const { parallel } = this.#options.denoising;
    const texts = await this.#run(first.state, to, (shared) =>
      this.#context.denoise({
        ...{ ...shared, ...(parallel && { parallel }) },
        texts: requests.map(({ state, stream }) => ({ tokens: state.canvas, stream })),
      }),
    );
    if (texts === null) return requests.map(({ state }) => unchanged(state));
    return texts.map((text, i) => this.#toDrawn((requests[i] as DenoiseRequest).state, text, to));
  }

  /**
   * The most probable texts that hypotheses which are equally far become by step `to`, all in one
   * native call: `width` that go on, and those above them that ended. Ends once `wanted` have; null
   * when out of budget before.
   */
  async search(
    hypotheses: readonly Hypothesis<DiffusionState>[],
    to: number,
    { width, wanted, stream }: SearchOptions,
  ): Promise<Hypothesis<DiffusionState>[] | null> {
    const [first] = hypotheses;
    if (first === undefined) return [];
    const found = await this.#run(first.state, to, (shared) =>
      this.#context.search({
        ...{ ...shared, width, wanted, stream },
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

  /** What denoises from a state's step on, within the budget; null when that has ended before. */
  async #run<T extends Pick<DenoisedText, "finish">>(
    { denoised: from }: DiffusionState,
    to: number,
    denoise: (shared: DenoisingRequest) => Promise<T[]>,
  ): Promise<T[] | null> {
    const { prompt, sampling, denoising, seed, budget, signal, onProgress } = this.#options;
    signal?.throwIfAborted();
    if (this.#isCutOff()) return null;
    const { blockLength, denoisingSteps: steps, remasking, cfgScale } = denoising;
    const shared = {
      ...{ prompt, sampling, remasking, cfgScale },
      schedule: { blockLength, steps, from, to },
      key: [seed % 2 ** 32, Math.floor(seed / 2 ** 32)] as const,
      maxTotalTokens: budget.tokensLeft,
      timeLimitMs: budget.msLeft,
    };
    const report =
      onProgress &&
      ((drawn: number) =>
        onProgress(this.#generated + drawn, this.texts.show(this.#context.shown)));
    const texts = await whileReporting(this.#context, report, () =>
      denoise(shared).catch((error) => this.#rethrow(error)),
    );
    const drawn = this.#context.progress;
    this.#generated += drawn;
    budget.spend(drawn);
    onProgress?.(this.#generated);
    if (texts.some(({ finish }) => finish === "budget")) this.#isOutOfBudget = true;
    return texts;
  }

  /** Denoises `count` copies of each state to the end; `streamOf` names their random numbers. */
  async complete(
    states: readonly DiffusionState[],
    count: number,
    streamOf: (state: number, rollout: number) => [number, number, number],
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
   * The rollouts with the log of the probability of the tokens that each unmasked, each given the
   * text before its step, or, for the one-pass ratio, the finished text; -Infinity for those that a
   * budget leaves unscored.
   */
  async score<R extends Rollout>(rollouts: readonly (readonly R[])[]): Promise<R[][]> {
    const { prompt, sampling, denoising, ratio, budget, signal } = this.#options;
    const texts = rollouts
      .flat()
      .map((rollout) => (rollout as Rollout as DiffusionRollout).unmasked);
    const atOnce = budget.msLeft === null ? texts.length : SCORED_AT_ONCE;
    const scores: number[] = [];
    while (scores.length < texts.length) {
      signal?.throwIfAborted();
      if (this.#isCutOff()) break;
      const batch = texts.slice(scores.length, scores.length + atOnce);
      const policy = { sampling, cfgScale: denoising.cfgScale };
      const logProbs = await this.#context
        .scoreUnmasking(prompt, batch, policy, ratio === "one-pass")
        .catch((error) => this.#rethrow(error));
      scores.push(...logProbs.map(sumOfKnown));
    }
    const rescored = rollouts.flat().map((rollout, i) => {
      return { ...rollout, logDrawn: scores[i] ?? Number.NEGATIVE_INFINITY };
    });
    return rollouts.map((own) => rescored.splice(0, own.length));
  }

  async usage(): Promise<Usage> {
    const now: DiffusionStatus = await this.#context.status();
    const prefilled = now.fullPasses * this.#options.prompt.length;
    return {
      prefilled,
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
    this.#options.signal?.removeEventListener("abort", this.#abort);
    await this.#context[Symbol.asyncDispose]();
  }

  /** Whether the budget has ended, which is noted. */
  #isCutOff(): boolean {
    const { isSpent } = this.#options.budget;
    this.#isOutOfBudget ||= isSpent;
    return isSpent;
  }

  /** An abort rejects with the signal's reason. */
  #rethrow(error: unknown): never {
    this.#options.signal?.throwIfAborted();
    return rethrow(error);
  }

  #toDrawn(state: DiffusionState, text: DenoisedText, to: number): DenoisedState {
    return {
      state: this.texts.extend(state, text, to),
      unmasked: { tokens: text.tokens, order: text.order },
      logDrawn: sumOfKnown(text.logProbs),
    };
  }
}

/** A state further on, and how it was come by. */
export interface DenoisedState {
  state: DiffusionState;
  unmasked: UnmaskedText;
  /** log of the probability of the tokens drawn on the way. */
  logDrawn: number;
}

function unchanged(state: DiffusionState): DenoisedState {
  const order = new Int32Array(state.canvas.length).fill(-1);
  return { state, unmasked: { tokens: state.canvas, order }, logDrawn: 0 };
}

/** The sum of what is a number. */
function sumOfKnown(logProbs: Float64Array): number {
  return logProbs.reduce((sum, x) => (Number.isNaN(x) ? sum : sum + x), 0);
}
