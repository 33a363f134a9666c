/**
 * Denoising with a diffusion language model: texts of a fixed length whose positions are `<mask>`
 * until a pass of the model predicts them. A context is stateless between calls: a text is its
 * tokens, so states are kept, copied and dropped as plain arrays.
 */
import { checkInteger, checkKeys, checkNumber, checkOneOf } from "./check.js";
import { LlamaEtsError } from "./errors.js";
import {
  addon,
  call,
  type DiffusionStatus,
  type NativeDenoisedText,
  type NativeDiffusionContext,
  type NativeModel,
  rethrow,
} from "./native.js";
import { type Sampling, toNativeSampling } from "./sampling.js";

/**
 * Which of the predicted positions a denoising step unmasks, best first; the probabilities are the
 * model's own, before temperature and truncation, without the mask token.
 *
 * - `low-confidence`: where the drawn token is most probable (LLaDA)
 * - `random`: positions drawn uniformly, independently of the tokens
 * - `entropy`: where the distribution's entropy is least (Dream)
 * - `margin`: where the two most probable tokens are furthest apart (Dream)
 */
export const REMASKING = ["low-confidence", "random", "entropy", "margin"] as const;
export type Remasking = (typeof REMASKING)[number];

/**
 * What of the keys and values is kept between the passes of a block (Fast-dLLM, arXiv 2505.22618).
 * They are computed anew, by a full pass, at each block's first step and at each call's.
 *
 * - `none`: nothing; every pass is exact
 * - `prefix`: those before the block
 * - `dual`: those before and after the block
 */
export const CACHES = ["none", "prefix", "dual"] as const;
export type DiffusionCache = (typeof CACHES)[number];

/**
 * Confidence-parallel decoding (Fast-dLLM): a step unmasks every position whose drawn token has
 * confidence (its probability) at least `threshold`, from 0 to 1; or the n most confident, for
 * the largest n of which all have confidence c_i >= 1 - factor / (i + 1), `factor` above 0. Always
 * at least one.
 */
export type ParallelRule = { threshold: number } | { factor: number };

export interface DiffusionContextOptions {
  /** The longest prompt and text together, in tokens. */
  length: number;
  /** Texts denoised side by side, from 1 to 100; further ones wait. */
  texts: number;
  /** Default "none". */
  cache?: DiffusionCache;
  /** Keeps keys and values in 32 bits instead of 16; exact passes always do. Default false. */
  singlePrecision?: boolean;
  /** Whether calls may use `cfgScale`, which takes twice the memory. Default false. */
  guidance?: boolean;
  /**
   * Tokens of one decode, where more than one text fits. Default 128: on a CPU a larger batch is no
   * quicker, and its texts' tokens are masked from each other at the attention's full cost.
   */
  batchTokens?: number;
  threads: number;
}

const DEFAULT_BATCH_TOKENS = 128;

/** The course of denoising: LLaDA's semi-autoregressive one, block by block from the left. */
interface DenoisingSchedule {
  /** Positions a block; divides the texts' length. */
  blockLength: number;
  /**
   * Denoising steps of the whole text, at most its length; divisible by the number of blocks. A
   * block's positions are spread over its steps evenly, the first steps taking what is left over.
   */
  steps: number;
  /** The first step done, from 0. */
  from: number;
  /** The step before which to stop, up to `steps`; with `parallel`, a block's end. */
  to: number;
}

interface DenoisingText {
  /** The text so far, all of its positions, the mask token where masked. */
  tokens: Int32Array;
  /** Words 0 to 2 of the random counter; the third is made of denoising step and position. */
  stream: readonly [number, number, number];
}

/** How tokens are drawn and which are kept. */
export interface UnmaskingPolicy {
  /** The tokens' reference policy. The mask token never has probability. */
  sampling: Sampling;
  remasking: Remasking;
  /** Only with `low-confidence`. Default: as many as the schedule says. */
  parallel?: ParallelRule;
  /**
   * Classifier-free guidance, 0 (off) to 100: logits u + (1 + cfgScale) (c - u), where u are those
   * with the prompt masked. Default 0.
   */
  cfgScale?: number;
}

export interface DenoiseRequest extends UnmaskingPolicy {
  prompt: Int32Array;
  /** All of one length. Equal states share their full passes. */
  texts: readonly DenoisingText[];
  schedule: DenoisingSchedule;
  /** Words 0 and 1 of the random key: the seed. */
  key: readonly [number, number];
  /**
   * Stops a text once it has an end token and no mask before it: what follows is not part of the
   * text. Default true.
   */
  stopAtEnd?: boolean;
  /** Stops all texts once this many positions were unmasked, within one pass. Default: no limit. */
  maxTotalTokens?: number;
  /** Stops all texts after this time, within one pass. Default: no limit. */
  timeLimitMs?: number | null;
}

/**
 * A text after denoising. Arrays have one element a position, in the text's order.
 *
 * `finish`: `end`, it has an end token and no mask before it; `length`, no mask and no end token;
 * `schedule`, it was denoised up to `to`; `budget`, the budget came first.
 */
export type DenoisedText = NativeDenoisedText;

/** One position's token given the state of a text. */
export interface ScoredState {
  /** The state: all positions of the text, the mask token where masked. */
  tokens: Int32Array;
  /** The token to score at each position; -1 where none is. */
  targets: Int32Array;
}

/** A text and the step that unmasked each position, as `denoise` returns them. */
export interface UnmaskedText {
  tokens: Int32Array;
  /** -1 where the position was not unmasked. */
  order: Int32Array;
}

export class DiffusionContext implements AsyncDisposable {
  readonly #native: NativeDiffusionContext;
  readonly #maskToken: number;
  readonly options: Readonly<DiffusionContextOptions>;
  #closing: Promise<void> | undefined;

  private constructor(
    native: NativeDiffusionContext,
    maskToken: number,
    options: DiffusionContextOptions,
  ) {
    this.#native = native;
    this.#maskToken = maskToken;
    this.options = options;
  }

  /**
   * Throws `ERR_UNSUPPORTED_MODEL` when the model is not a diffusion model, or keeps no keys and
   * values where `cache` asks for them, and `ERR_OUT_OF_MEMORY`.
   */
  static async open(
    model: NativeModel,
    options: DiffusionContextOptions,
  ): Promise<DiffusionContext> {
    const { length, texts, cache = "none", guidance = false, threads } = options;
    const { batchTokens = DEFAULT_BATCH_TOKENS, singlePrecision = false } = options;
    checkInteger("length", length, 2, 2 ** 15 - 1);
    checkInteger("texts", texts, 1, 100);
    checkOneOf("cache", cache, CACHES);
    const native = new (addon().DiffusionContext)();
    try {
      const maskToken = await native.open(model, {
        ...{ length, texts, cache, singlePrecision, guidance, batchTokens, threads },
      });
      return new DiffusionContext(native, maskToken, options);
    } catch (error) {
      return rethrow(error, { ERR_OUT_OF_MEMORY: "fewer or shorter texts, or a smaller model" });
    }
  }

  /** The token that stands for what is not yet known. */
  get maskToken(): number {
    return this.#maskToken;
  }

  /**
   * Denoises texts from step `from` to `to`. Random numbers depend on the key, a text's stream, the
   * step and the position alone, so that denoising in one call or several, in whatever company,
   * draws with the same numbers.
   *
   * @throws LlamaEtsError `ERR_INVALID_OPTION` (lengths, tokens or a schedule that don't fit),
   *   `ERR_CONTEXT_FULL` (longer than the context), `ERR_INVALID_LOGITS`, `ERR_ABORTED`
   */
  async denoise(request: DenoiseRequest): Promise<DenoisedText[]> {
    const { prompt, texts, schedule, sampling, key, remasking } = request;
    const { parallel, cfgScale = 0, stopAtEnd = true } = request;
    const { maxTotalTokens = Number.MAX_SAFE_INTEGER, timeLimitMs = null } = request;
    if (texts.length === 0) return [];
    checkSchedule(schedule, texts, parallel !== undefined);
    if (parallel !== undefined) checkParallel(parallel, remasking);
    return call(() =>
      this.#native.denoise({
        prompt,
        texts: texts.map(({ tokens, stream }) => ({ tokens, stream: [...stream] })),
        ...schedule,
        sampling: toNativeSampling(sampling),
        key: [...key],
        remasking: checkOneOf("remasking", remasking, REMASKING),
        threshold: parallel !== undefined && "threshold" in parallel ? parallel.threshold : null,
        factor: parallel !== undefined && "factor" in parallel ? parallel.factor : null,
        cfgScale: checkNumber("cfgScale", cfgScale, 0, 100),
        stopAtEnd,
        maxTotalTokens,
        timeLimitMs,
      }),
    );
  }

  /**
   * Log-probabilities (nats, fp64) of tokens at positions of given states, by exact full passes
   * that are batched: for each state one a position, NaN where there is no target. A target that is
   * not masked in its state is scored all the same.
   */
  async scoreStates(
    prompt: Int32Array,
    states: readonly ScoredState[],
    { sampling, cfgScale = 0 }: Pick<UnmaskingPolicy, "sampling" | "cfgScale">,
  ): Promise<Float64Array[]> {
    checkNumber("cfgScale", cfgScale, 0, 100);
    return call(() =>
      this.#native.score({
        prompt,
        states: [...states],
        sampling: toNativeSampling(sampling),
        cfgScale,
      }),
    );
  }

  /**
   * The reference's log-probability of each unmasked token in the state just before it was
   * unmasked: one full pass for each denoising step of each text, all known beforehand. NaN where
   * `order` is -1. The sum over positions is the log-probability of the trajectory's tokens given
   * its positions: under `random` remasking, the kernel's own up to what does not depend on the
   * model.
   *
   * `isOnePass`: in the text as given instead, by one pass of each, in which a token is predicted
   * where it stands already. That is the paper's approximation.
   */
  async scoreUnmasking(
    prompt: Int32Array,
    texts: readonly UnmaskedText[],
    policy: Pick<UnmaskingPolicy, "sampling" | "cfgScale">,
    isOnePass = false,
  ): Promise<Float64Array[]> {
    const trajectories = texts.map((text) =>
      isOnePass ? [finalStateOf(text)] : statesOf(text, this.#maskToken),
    );
    // Trajectories from one state have much in common.
    const keyOf = ({ tokens, targets }: ScoredState) => `${tokens}/${targets}`;
    const distinct = new Map(trajectories.flat().map((state) => [keyOf(state), state]));
    const scored = await this.scoreStates(prompt, [...distinct.values()], policy);
    const scores = new Map([...distinct.keys()].map((key, i) => [key, scored[i]]));
    return texts.map(({ tokens }, i) => {
      const result = new Float64Array(tokens.length).fill(Number.NaN);
      for (const state of trajectories[i] ?? []) {
        const score = scores.get(keyOf(state)) as Float64Array;
        for (const [position, target] of state.targets.entries()) {
          if (target >= 0) result[position] = score[position] as number;
        }
      }
      return result;
    });
  }

  /** Passes and time since the context was made. */
  status(): Promise<DiffusionStatus> {
    return call(() => this.#native.status());
  }

  /** Positions unmasked so far by the running `denoise`. */
  get progress(): number {
    return this.#native.progress();
  }

  /** The first text of the latest `denoise` that was unmasked, as far as it is: for a live view. */
  get shown(): Int32Array {
    return this.#native.shown();
  }

  /** Makes what runs and waits reject with `ERR_ABORTED`. */
  abort(): void {
    this.#native.abort();
  }

  get disposed(): boolean {
    return this.#closing !== undefined;
  }

  /** Waits for work in flight; safe to call twice. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#native.close();
    return this.#closing;
  }
}

/** The states before each step of a trajectory, with the tokens that the step unmasked. */
function statesOf({ tokens, order }: UnmaskedText, maskToken: number): ScoredState[] {
  checkOrder(tokens, order);
  const steps = [...new Set(order)].filter((step) => step >= 0).sort((a, b) => a - b);
  return steps.map((step) => ({
    tokens: tokens.map((token, i) => ((order[i] as number) >= step ? maskToken : token)),
    targets: tokens.map((token, i) => (order[i] === step ? token : -1)),
  }));
}

/** The text itself, with all tokens that were unmasked. */
function finalStateOf({ tokens, order }: UnmaskedText): ScoredState {
  checkOrder(tokens, order);
  return { tokens, targets: tokens.map((token, i) => ((order[i] as number) < 0 ? -1 : token)) };
}

function checkOrder(tokens: Int32Array, order: Int32Array): void {
  if (order.length !== tokens.length) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `Expected \`order\` to have ${tokens.length} elements, one a position, got ${order.length}`,
    );
  }
}

function checkSchedule(
  schedule: DenoisingSchedule,
  texts: readonly DenoisingText[],
  isParallel: boolean,
): void {
  checkKeys("schedule", schedule, ["blockLength", "steps", "from", "to"]);
  const length = texts[0]?.tokens.length ?? 0;
  const { blockLength, steps, from, to } = schedule;
  checkInteger("blockLength", blockLength, 1, length);
  checkInteger("steps", steps, 1, length);
  checkInteger("from", from, 0, steps);
  checkInteger("to", to, from, steps);
  const blocks = length / blockLength;
  const refuse = (message: string): never => {
    throw new LlamaEtsError("ERR_INVALID_OPTION", message);
  };
  if (!Number.isInteger(blocks)) {
    refuse(`Expected \`blockLength\` to divide the texts' length, ${length}, got ${blockLength}`);
  }
  if (steps % blocks !== 0) {
    refuse(`Expected \`steps\` to be divisible by the number of blocks, ${blocks}, got ${steps}`);
  }
  if (isParallel && to % (steps / blocks) !== 0) {
    refuse(`Expected \`to\` to be a block's end, a multiple of ${steps / blocks}, got ${to}`);
  }
}

function checkParallel(rule: ParallelRule, remasking: Remasking): void {
  checkKeys("parallel", rule, ["threshold" in rule ? "threshold" : "factor"]);
  if ("threshold" in rule) checkNumber("threshold", rule.threshold, 0, 1);
  else checkNumber("factor", rule.factor, Number.MIN_VALUE, 1e6);
  if (remasking === "low-confidence") return;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    `Expected \`remasking\` to be low-confidence where \`parallel\` is given, got ${remasking}`,
  );
}
