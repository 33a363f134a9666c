/** The states of a diffusion chain: texts some of whose positions are masked. */
import type { DenoisedText } from "../engine/denoiser.js";
import type { Model } from "../engine/engine.js";
import type { FinishReason, Text } from "./chain.js";
import type { DenoisingOptions } from "./chain-options.js";
import { blockSteps } from "./denoising.js";
import { StopStrings } from "./stop-strings.js";

/** A partly unmasked text, or a finished one. */
export interface DiffusionState extends Text {
  /** The tokens of all positions; masked ones hold the mask token. */
  canvas: Int32Array;
  /** One number per position; 0 if masked. */
  canvasLogProbs: Float64Array;
  /**
   * The step that unmasked each position; -1 if masked. With parallel decoding, these numbers are not
   * steps of the schedule and only give the order.
   */
  order: Int32Array;
  /** The number of finished steps of the schedule. */
  denoised: number;
}

/** What a call has unmasked, with one element per position; `order` is negative where it has not. */
type Unmasked = Pick<DenoisedText, "tokens" | "order" | "logProbs" | "finish">;

interface Canvas extends Pick<DiffusionState, "canvas" | "canvasLogProbs" | "order" | "denoised"> {
  /** Whether the text is complete: it has ended, or has no masks. */
  isWhole: boolean;
}

/** The character that stands for a mask in a live view. */
const MASKED = "░";

export class DiffusionTexts {
  readonly #model: Model;
  readonly #maskToken: number;
  readonly #options: DenoisingOptions;
  readonly #stops: StopStrings;

  constructor(model: Model, maskToken: number, options: DenoisingOptions) {
    this.#model = model;
    this.#maskToken = maskToken;
    this.#options = options;
    this.#stops = new StopStrings(model, options.policy.stop);
  }

  /** A text in which every position is masked. */
  start(): DiffusionState {
    const { maxTokens } = this.#options.limits;
    return this.#toState({
      canvas: new Int32Array(maxTokens).fill(this.#maskToken),
      canvasLogProbs: new Float64Array(maxTokens),
      order: new Int32Array(maxTokens).fill(-1),
      denoised: 0,
      isWhole: false,
    });
  }

  /** The state before a step. With parallel decoding, the step must begin a block. */
  rewind({ canvas, canvasLogProbs, order }: DiffusionState, step: number): DiffusionState {
    const { denoising, limits } = this.#options;
    const steps = blockSteps(denoising, limits.maxTokens);
    const start = Math.floor(step / steps) * denoising.blockLength;
    const isLater = (at: number) =>
      at >= start && (step % steps === 0 || (order[at] as number) >= step);
    return this.#toState({
      canvas: canvas.map((token, at) => (isLater(at) ? this.#maskToken : token)),
      canvasLogProbs: canvasLogProbs.map((logProb, at) => (isLater(at) ? 0 : logProb)),
      order: order.map((own, at) => (isLater(at) ? -1 : own)),
      denoised: step,
      isWhole: false,
    });
  }

  /** The state after it was denoised up to step `to`. */
  extend(state: DiffusionState, text: Unmasked, to: number): DiffusionState {
    return this.#toState({
      canvas: text.tokens,
      canvasLogProbs: state.canvasLogProbs.map((before, i) =>
        (text.order[i] as number) < 0 ? before : (text.logProbs[i] as number),
      ),
      order: state.order.map((before, i) => Math.max(before, text.order[i] as number)),
      denoised: to,
      isWhole: text.finish === "end" || text.finish === "length",
    });
  }

  /** The text for a live view, with a block character for each mask. */
  show(canvas: Int32Array): string {
    let text = "";
    for (let from = 0; from < canvas.length; ) {
      const mask = canvas.indexOf(this.#maskToken, from);
      const to = mask < 0 ? canvas.length : mask;
      text += this.#textOf(canvas.subarray(from, to)) + (mask < 0 ? "" : MASKED);
      from = to + 1;
    }
    return text;
  }

  #textOf(tokens: Int32Array): string {
    return this.#model.detokenize(tokens, { continues: true });
  }

  #toState({ isWhole, ...drawn }: Canvas): DiffusionState {
    const { canvas, canvasLogProbs } = drawn;
    const { tokens, text, finishReason } = this.#readCanvas(canvas, isWhole);
    const shown = finishReason === null ? canvas : tokens;
    return {
      text,
      tokens: [...shown],
      logProbs: [...canvasLogProbs.subarray(0, shown.length)],
      finishReason,
      ...drawn,
    };
  }

  /** The text up to its end token or its first mask. */
  #readCanvas(canvas: Int32Array, isWhole: boolean) {
    const isLast = (token: number) => this.#model.isEndToken(token);
    const mask = canvas.indexOf(this.#maskToken);
    const end = isWhole ? canvas.findIndex(isLast) : -1;
    const tokens = canvas.subarray(0, end >= 0 ? end + 1 : mask >= 0 ? mask : canvas.length);
    const { text, isStopped } = this.#stops.cut(tokens);
    if (isStopped) return { tokens, text, finishReason: "stop" as const };
    const finishReason: FinishReason | null = !isWhole ? null : end >= 0 ? "end" : "length";
    return { tokens, text, finishReason };
  }
}
