/**
 * Denoising of a diffusion language model's texts. A text has a fixed length, and the mask token stands
 * at each position that is not yet known. A denoiser keeps no state between calls: callers hold the
 * texts as plain arrays of tokens, which they can copy and drop.
 */
import type {
  DenoiseRequest,
  DiffusionCache,
  SearchRequest,
  TokenPolicy,
} from "./denoising-request.js";

/** The size and the features of a denoiser. */
export interface DenoiserOptions {
  /** The longest prompt and text together, in tokens. */
  length: number;
  /** Texts that are denoised side by side, from 1 to 100; further texts wait. */
  texts: number;
  /** Which keys and values of a text are cached while one of its blocks is denoised. Default "none". */
  cache?: DiffusionCache;
  /** Whether calls may use `cfgScale`, which takes twice the memory. Default false. */
  guidance?: boolean;
}

/** A text after denoising. Each array has one element for each position of the text. */
export interface DenoisedText {
  /** The token of each position; the mask token if the position was not unmasked. */
  tokens: Int32Array;
  /** The step that unmasked each position; -1 if this call did not unmask it. */
  order: Int32Array;
  /** Log-probability of each token under the policy at its step (nats, fp64); NaN if `order` is -1. */
  logProbs: Float64Array;
  /** Like `logProbs`, under the model's own distribution without the mask token. */
  rawLogProbs: Float64Array;
  /** Denoising steps of this call; with `parallel`, passes through the model. */
  steps: number;
  /**
   * Why the text stopped. `end`: it has an end token and no mask before it. `length`: it has neither
   * masks nor an end token. `schedule`: it was denoised up to `to`. `budget`: the budget was used up.
   */
  finish: "end" | "length" | "schedule" | "budget";
}

/** A text that a search found. */
export interface FoundText extends DenoisedText {
  /** The log-probability of all unmasked tokens under the policy (nats, fp64). */
  logProb: number;
  /** The index of the request's text that it was made from. */
  origin: number;
}

/** A state of a text, and the tokens to score in it. */
export interface ScoredState {
  /** The state: the token of each position, or the mask token. */
  tokens: Int32Array;
  /** The token to score at each position; -1 if the position is not scored. */
  targets: Int32Array;
}

/** A text and the step that unmasked each position, as `denoise` returns them. */
export interface UnmaskedText {
  tokens: Int32Array;
  /** The step that unmasked each position; -1 if the position was not unmasked. */
  order: Int32Array;
}

/** Counts of passes and times since the denoiser was created. */
export interface DenoiserStatus {
  /** Passes of whole texts through the model; `blockPasses` counts passes of parts, from a block on. */
  fullPasses: number;
  blockPasses: number;
  /** Tokens that went through the model in these passes. */
  positions: number;
  unmasked: number;
  scored: number;
  /** Texts that reused the pass of another text in the same state. */
  shared: number;
  decodes: number;
  /** Nanoseconds in the engine, until a batch's logits are computed. */
  decodeNs: number;
  /** Nanoseconds of drawing and scoring tokens from logits. */
  samplingNs: number;
  /** Nanoseconds of complete `denoise`, `search` and `score` calls on the engine thread. */
  callNs: number;
}

/** Denoises, searches and scores texts. Its promises reject with a `LlamaEtsError`. */
export interface Denoiser extends AsyncDisposable {
  /** The token that stands at positions that are not yet known. */
  readonly maskToken: number;
  /** The cache that it has: less than was requested if the engine doesn't support it. */
  readonly cache: DiffusionCache;
  /**
   * Denoises texts from step `from` to `to`. Random numbers depend only on the key, the text's stream,
   * the step and the position. So they are the same in one call or in several, and beside any other
   * texts.
   *
   * @throws LlamaEtsError `ERR_INVALID_OPTION` (lengths, tokens or a schedule that don't fit),
   *   `ERR_CONTEXT_FULL` (longer than the denoiser's length), `ERR_INVALID_LOGITS`, `ERR_ABORTED`
   */
  denoise(request: DenoiseRequest): Promise<DenoisedText[]>;
  /**
   * Runs a beam search over the denoising steps from `from` to `to`. A step unmasks the positions that
   * the remasking rule would choose if each had its most probable token, and tries the most probable
   * tokens there. Of the resulting texts the search keeps the `width` most probable unfinished ones,
   * and the finished ones that are more probable than those. One text with `width` 1 gives greedy
   * denoising. The search returns finished texts in the order of their steps, then the unfinished
   * ones. It stops once `wanted` texts have finished, and then leaves out texts that could go on.
   *
   * @throws LlamaEtsError as `denoise` does
   */
  search(request: SearchRequest): Promise<FoundText[]>;
  /**
   * Computes log-probabilities (nats, fp64) of tokens at positions of given states, by exact full
   * passes in batches. Returns one array for each state, with one element for each position: NaN if
   * the position has no target. A target is scored even if its position isn't masked in the state.
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
   * The current state of the latest `denoise` call's first text, or of the latest `search` call's most
   * probable text. A live view shows it.
   */
  readonly shown: Int32Array;
  /** Makes running and waiting calls reject with `ERR_ABORTED`. */
  abort(): void;
}
