/** Denoises and scores texts of one diffusion model: what its chain and its proposal share. */
import type { ContextPlan } from "../engine/capacity.js";
import type { DenoisedText, DiffusionContext, UnmaskedText } from "../engine/diffusion-context.js";
import type { Model } from "../engine/model.js";
import { type DiffusionStatus, rethrow } from "../engine/native.js";
import type { Sampling } from "../engine/sampling.js";
import type { Budget } from "./budget.js";
import type { FinishReason, Rollout, Text, Usage } from "./chain.js";
import { blockSteps, type DenoisingSettings, type ImportanceRatio } from "./denoising.js";
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
}

/** A partly unmasked text, or a finished one. */
export interface DiffusionState extends Text {
  /** All positions, the mask token where masked. */
  canvas: Int32Array;
  /** One a position; 0 where masked. */
  canvasLogProbs: Float64Array;
  /**
   * The step that unmasked each position, -1 where masked. With parallel decoding its order among
   * the steps alone.
   */
  order: Int32Array;
  /** Steps of the schedule that are done. */
  denoised: number;
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

/** How a live view writes a mask. */
const MASKED = "░";

/** Rollouts scored between two looks at a deadline. */
const SCORED_AT_ONCE = 8;

export class DiffusionDrawer implements AsyncDisposable {
  readonly #model: Model;
  readonly #context: DiffusionContext;
  readonly #options: DiffusionOptions;
  readonly #started = performance.now();
  readonly #abort: () => void;
  #isOutOfBudget = false;
  #generated = 0;

  private constructor(model: Model, context: DiffusionContext, options: DiffusionOptions) {
    this.#model = model;
    this.#context = context;
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
    return new DiffusionDrawer(model, context, options);
  }

  get isOutOfBudget(): boolean {
    return this.#isOutOfBudget;
  }

  /** A text of masks alone. */
  start(): DiffusionState {
    const { maxTokens } = this.#options;
    return this.#toState({
      canvas: new Int32Array(maxTokens).fill(this.#context.maskToken),
      canvasLogProbs: new Float64Array(maxTokens),
      order: new Int32Array(maxTokens).fill(-1),
      denoised: 0,
      isWhole: false,
    });
  }

  /** The state before a step: with parallel decoding, one that begins a block. */
  rewind({ canvas, canvasLogProbs, order }: DiffusionState, step: number): DiffusionState {
    const { denoising, maxTokens } = this.#options;
    const steps = blockSteps(denoising, maxTokens);
    const start = Math.floor(step / steps) * denoising.blockLength;
    const isLater = (at: number) =>
      at >= start && (step % steps === 0 || (order[at] as number) >= step);
    return this.#toState({
      canvas: canvas.map((token, at) => (isLater(at) ? this.#context.maskToken : token)),
      canvasLogProbs: canvasLogProbs.map((logProb, at) => (isLater(at) ? 0 : logProb)),
      order: order.map((own, at) => (isLater(at) ? -1 : own)),
      denoised: step,
      isWhole: false,
    });
  }

  /** Denoises states that are equally far, all in one native call, up to step `to`. */
  async draw(requests: readonly DenoiseRequest[], to: number): Promise<DenoisedState[]> {
    const { prompt, sampling, denoising, seed, budget, signal, onProgress } = this.#options;
    signal?.throwIfAborted();
    const [first] = requests;
    if (first === undefined) return [];
    if (this.#isCutOff()) return requests.map(({ state }) => unchanged(state));
    const report =
      onProgress &&
      ((drawn: number) => onProgress(this.#generated + drawn, this.#show(this.#context.shown)));
    const denoise = () =>
      this.#context.denoise({
        prompt,
        texts: requests.map(({ state, stream }) => ({ tokens: state.canvas, stream })),
        schedule: {
          blockLength: denoising.blockLength,
          steps: denoising.denoisingSteps,
          from: first.state.denoised,
          to,
        },
        ...{ sampling, remasking: denoising.remasking, cfgScale: denoising.cfgScale },
        ...(denoising.parallel && { parallel: denoising.parallel }),
        key: [seed % 2 ** 32, Math.floor(seed / 2 ** 32)],
        maxTotalTokens: budget.tokensLeft,
        timeLimitMs: budget.msLeft,
      });
    const texts = await whileReporting(this.#context, report, () =>
      denoise().catch((error) => this.#rethrow(error)),
    );
    const drawn = texts.reduce((sum, { order }) => sum + order.filter((s) => s >= 0).length, 0);
    this.#generated += drawn;
    budget.spend(drawn);
    onProgress?.(this.#generated);
    if (texts.some(({ finish }) => finish === "budget")) this.#isOutOfBudget = true;
    return texts.map((text, i) => this.#extend((requests[i] as DenoiseRequest).state, text, to));
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

  #extend(state: DiffusionState, text: DenoisedText, to: number): DenoisedState {
    const canvasLogProbs = state.canvasLogProbs.map((before, i) =>
      (text.order[i] as number) < 0 ? before : (text.logProbs[i] as number),
    );
    const order = state.order.map((before, i) => Math.max(before, text.order[i] as number));
    const isWhole = text.finish === "end" || text.finish === "length";
    return {
      state: this.#toState({ canvas: text.tokens, canvasLogProbs, order, denoised: to, isWhole }),
      unmasked: { tokens: text.tokens, order: text.order },
      logDrawn: sumOfKnown(text.logProbs),
    };
  }

  /** A text with a block for each mask. */
  #show(canvas: Int32Array): string {
    const { maskToken } = this.#context;
    let text = "";
    for (let from = 0; from < canvas.length; ) {
      const mask = canvas.indexOf(maskToken, from);
      const to = mask < 0 ? canvas.length : mask;
      text += this.#model.detokenize(canvas.subarray(from, to)) + (mask < 0 ? "" : MASKED);
      from = to + 1;
    }
    return text;
  }

  #toState(drawn: Drawn): DiffusionState {
    const { canvas, canvasLogProbs, order, denoised, isWhole } = drawn;
    const { tokens, text, finishReason } = this.#readCanvas(canvas, isWhole);
    const shown = finishReason === null ? canvas : tokens;
    return {
      text,
      tokens: [...shown],
      logProbs: [...canvasLogProbs.subarray(0, shown.length)],
      finishReason,
      ...{ canvas, canvasLogProbs, order, denoised },
    };
  }

  /** The text as far as it reads without a gap: up to its end token, or the first mask. */
  #readCanvas(canvas: Int32Array, isWhole: boolean) {
    const isLast = (token: number) => this.#model.isEndToken(token);
    const mask = canvas.indexOf(this.#context.maskToken);
    const end = isWhole ? canvas.findIndex(isLast) : -1;
    const tokens = canvas.subarray(0, end >= 0 ? end + 1 : mask >= 0 ? mask : canvas.length);
    const text = this.#model.detokenize(tokens);
    const cuts = this.#options.stop.map((s) => text.indexOf(s)).filter((at) => at >= 0);
    if (cuts.length > 0) {
      return { tokens, text: text.slice(0, Math.min(...cuts)), finishReason: "stop" as const };
    }
    const finishReason: FinishReason | null = !isWhole ? null : end >= 0 ? "end" : "length";
    return { tokens, text, finishReason };
  }
}

interface Drawn {
  canvas: Int32Array;
  canvasLogProbs: Float64Array;
  order: Int32Array;
  denoised: number;
  /** Whether nothing that is masked is part of the text. */
  isWhole: boolean;
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
