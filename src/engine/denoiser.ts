/**
 * Texts of a diffusion language model: of a fixed length, with the mask token where a position is
 * not yet known. A denoiser is stateless between calls: a text is its tokens, so states are kept,
 * copied and dropped as plain arrays.
 */
import type {
  DenoiseRequest,
  DiffusionCache,
  SearchRequest,
  TokenPolicy,
} from "./denoising-request.js";

export interface DenoiserOptions {
  /** The longest prompt and text together, in tokens. */
  length: number;
  /** Texts denoised side by side, from 1 to 100; further ones wait. */
  texts: number;
  /** What is kept of a text while a block of it is denoised. Default "none". */
  cache?: DiffusionCache;
  /** Whether calls may use `cfgScale`, which takes twice the memory. Default false. */
  guidance?: boolean;
}

/** A text after denoising. Arrays have one element a position, in the text's order. */
export interface DenoisedText {
  /** All positions, the mask token where they were not unmasked. */
  tokens: Int32Array;
  /** The step that unmasked each position; -1 where this call did not. */
  order: Int32Array;
  /** Under the policy, when it was unmasked (nats, fp64); NaN where `order` is -1. */
  logProbs: Float64Array;
  /** As `logProbs`, under the model's own distribution without the mask token. */
  rawLogProbs: Float64Array;
  /** Steps done in this call; with `parallel`, passes. */
  steps: number;
  /**
   * `end`, it has an end token and no mask before it; `length`, no mask and no end token; `schedule`,
   * it was denoised up to `to`; `budget`, the budget came first.
   */
  finish: "end" | "length" | "schedule" | "budget";
}

/** A text that a search found. */
export interface FoundText extends DenoisedText {
  /** The log-probability of all that is unmasked, under the policy (nats, fp64). */
  logProb: number;
  /** The text of the call that it was. */
  origin: number;
}

/** One position's token given the state of a text. */
export interface ScoredState {
  /** The state: all positions of the text, the mask token where masked. */
  tokens: Int32Array;
  /** The token to score at each position; -1 where there is none. */
  targets: Int32Array;
}

/** A text and the step that unmasked each position, as `denoise` returns them. */
export interface UnmaskedText {
  tokens: Int32Array;
  /** -1 where the position was not unmasked. */
  order: Int32Array;
}

/** Passes and time since the denoiser was made. */
export interface DenoiserStatus {
  /** Texts that went through the model: `fullPasses` whole, `blockPasses` from a block on. */
  fullPasses: number;
  blockPasses: number;
  /** Tokens of these passes. */
  positions: number;
  unmasked: number;
  scored: number;
  /** Texts that got their pass from another in the same state. */
  shared: number;
  decodes: number;
  /** Nanoseconds in the engine, until a batch's logits are there. */
  decodeNs: number;
  /** Nanoseconds of drawing and scoring tokens from logits. */
  samplingNs: number;
  /** Nanoseconds of the whole of `denoise`, `search` and `score` calls on the engine thread. */
  callNs: number;
}

/** A failed promise is a `LlamaEtsError`. */
export interface Denoiser extends AsyncDisposable {
  /** The token that stands for what is not yet known. */
  readonly maskToken: number;
  /** What it keeps: less than was asked for where the engine can't. */
  readonly cache: DiffusionCache;
  /**
   * Denoises texts from step `from` to `to`. Random numbers depend on the key, a text's stream, the
   * step and the position alone, so that denoising in one call or several, in whatever company,
   * draws with the same numbers.
   *
   * @throws LlamaEtsError `ERR_INVALID_OPTION` (lengths, tokens or a schedule that don't fit),
   *   `ERR_CONTEXT_FULL` (longer than the denoiser's), `ERR_INVALID_LOGITS`, `ERR_ABORTED`
   */
  denoise(request: DenoiseRequest): Promise<DenoisedText[]>;
  /**
   * Beam search over the denoising steps from `from` to `to`: of what the texts may become by a step,
   * the `width` most probable that go on, and those above them that end, which come in the order of
   * their steps. A step unmasks the positions that the remasking rule would choose if each had its
   * most probable token, and tries the most probable tokens there: one text and `width` 1 are greedy
   * denoising. Once `wanted` have ended, those that go on are left out.
   *
   * @throws as `denoise` does
   */
  search(request: SearchRequest): Promise<FoundText[]>;
  /**
   * Log-probabilities (nats, fp64) of tokens at positions of given states, by exact full passes
   * that are batched: for each state one a position, NaN where there is no target. A target that is
   * not masked in its state is scored all the same.
   */
  scoreStates(
    prompt: Int32Array,
    states: readonly ScoredState[],
    policy: TokenPolicy,
  ): Promise<Float64Array[]>;
  status(): Promise<DenoiserStatus>;
  /** Positions unmasked so far by the running, or last, `denoise` or `search`. */
  readonly progress: number;
  /**
   * The first text of the latest `denoise`, or the most probable of the latest `search`, as far as it
   * is unmasked: for a live view.
   */
  readonly shown: Int32Array;
  /** Makes what runs and waits reject with `ERR_ABORTED`. */
  abort(): void;
}
