/**
 * Denoising with a diffusion language model: texts of a fixed length whose positions are `<mask>`
 * until a pass of the model predicts them. A context is stateless between calls: a text is its
 * tokens, so states are kept, copied and dropped as plain arrays.
 */
import { checkInteger, checkNumber, checkOneOf } from "../check.js";
import {
  CACHES,
  type DenoiseRequest,
  type DiffusionCache,
  type SearchRequest,
  type TokenPolicy,
  toNativeDenoise,
  toNativeSearch,
} from "../denoising-request.js";
import { LlamaEtsError } from "../errors.js";
import { toNativeSampling } from "../sampling.js";
import { addon, call, rethrow } from "./native.js";
import type {
  DiffusionStatus,
  NativeDenoisedText,
  NativeDiffusionContext,
  NativeFoundText,
} from "./native-diffusion.js";
import type { NativeModel } from "./native-model.js";

export interface DiffusionContextOptions {
  /** The longest prompt and text together, in tokens. */
  length: number;
  /** Texts denoised side by side, from 1 to 100; further ones wait. */
  texts: number;
  /**
   * Default "none". A "dual" one is "prefix" where the engine's state has a layout by which what is
   * after a block can't be moved; the context's `cache` says so.
   */
  cache?: DiffusionCache;
  /** Keeps keys and values in 32 bits instead of 16; exact passes always do. Default false. */
  singlePrecision?: boolean;
  /** @internal `false`: as where the engine's state has another layout. Default true. */
  knowsState?: boolean;
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

/**
 * A text after denoising. Arrays have one element a position, in the text's order.
 *
 * `finish`: `end`, it has an end token and no mask before it; `length`, no mask and no end token;
 * `schedule`, it was denoised up to `to`; `budget`, the budget came first.
 */
export type DenoisedText = NativeDenoisedText;

/** A text that a search found: `logProb` of all that is unmasked, and the `origin` it was. */
export type FoundText = NativeFoundText;

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
    const {
      batchTokens = DEFAULT_BATCH_TOKENS,
      singlePrecision = false,
      knowsState = true,
    } = options;
    checkInteger("length", length, 2, 2 ** 15 - 1);
    checkInteger("texts", texts, 1, 100);
    checkOneOf("cache", cache, CACHES);
    const native = new (addon().DiffusionContext)();
    try {
      const maskToken = await native.open(model, {
        ...{ length, texts, cache, singlePrecision, knowsState, guidance, batchTokens, threads },
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

  /** What is kept of texts. */
  get cache(): DiffusionCache {
    return this.#native.cache();
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
    if (request.texts.length === 0) return [];
    const native = toNativeDenoise(request);
    return call(() => this.#native.denoise(native));
  }

  /**
   * Beam search over the denoising steps from `from` to `to`: of what the texts may become by a step,
   * the `width` most probable that go on, and those above them that end, which come in the order of
   * their steps. A step unmasks the positions that the remasking rule would choose if each had its
   * most probable token, and tries the most probable tokens there: one text and `width` 1 are greedy
   * denoising. Once `wanted` have ended, those that go on are left out.
   *
   * @throws as `denoise` does
   */
  async search(request: SearchRequest): Promise<FoundText[]> {
    if (request.texts.length === 0) return [];
    const native = toNativeSearch(request);
    return call(() => this.#native.search(native));
  }

  /**
   * Log-probabilities (nats, fp64) of tokens at positions of given states, by exact full passes
   * that are batched: for each state one a position, NaN where there is no target. A target that is
   * not masked in its state is scored all the same.
   */
  async scoreStates(
    prompt: Int32Array,
    states: readonly ScoredState[],
    { sampling, cfgScale = 0 }: TokenPolicy,
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
    policy: TokenPolicy,
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

  /** Positions unmasked so far by the running, or last, `denoise` or `search`. */
  get progress(): number {
    return this.#native.progress();
  }

  /**
   * The first text of the latest `denoise`, or the most probable of the latest `search`, as far as it
   * is unmasked: for a live view.
   */
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
