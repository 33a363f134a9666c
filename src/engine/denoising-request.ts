/** The requests that a denoiser takes, and their checks. */
import { checkInteger, checkKeys, checkNumber, checkOneOf } from "./check.js";
import { LlamaEtsError } from "./errors.js";
import type { Sampling } from "./sampling.js";
import type { RandomKey, RandomStream } from "./sequences.js";

/**
 * The rules that choose which positions a denoising step unmasks. Each rule ranks the positions by
 * the model's own probabilities, before temperature and truncation, without the mask token.
 *
 * - `low-confidence`: first the positions whose drawn token is most probable (LLaDA)
 * - `random`: positions drawn uniformly, independently of the tokens
 * - `entropy`: first the positions whose distribution has the lowest entropy (Dream)
 * - `margin`: first the positions with the largest difference between the probabilities of the two
 *   most probable tokens (Dream)
 */
export const REMASKING = ["low-confidence", "random", "entropy", "margin"] as const;
/** The rule that chooses which of the drawn positions a denoising step unmasks. */
export type Remasking = (typeof REMASKING)[number];

/**
 * Which keys and values are cached between the passes of a block (Fast-dLLM, arXiv 2505.22618). A full
 * pass computes them anew at the first step of each block and of each call.
 *
 * - `none`: none; every pass is exact
 * - `prefix`: those of the positions before the block
 * - `dual`: those of the positions before and after the block
 */
export const CACHES = ["none", "prefix", "dual"] as const;
/** Whose keys and values are cached: none, those before the block, or those on both sides of it. */
export type DiffusionCache = (typeof CACHES)[number];

/**
 * Confidence-parallel decoding (Fast-dLLM). The confidence of a position is the probability of its
 * drawn token. With `threshold`, from 0 to 1, a step unmasks every position of at least this
 * confidence. With `factor`, above 0, it unmasks the n most confident positions, for the largest n
 * such that the i-th of them has confidence c_i >= 1 - factor / (i + 1) for all i. In both cases it
 * unmasks at least one.
 */
export type ParallelRule = { threshold: number } | { factor: number };

/** The schedule of LLaDA's semi-autoregressive denoising, which goes block by block from the left. */
interface DenoisingSchedule {
  /** Positions of a block; it divides the texts' length. */
  blockLength: number;
  /**
   * Denoising steps of the whole text: at most its length, and divisible by the number of blocks. The
   * steps of a block unmask equally many positions each; the first steps unmask the remainder, one each.
   */
  steps: number;
  /** The first step to run, counted from 0. */
  from: number;
  /** The step before which to stop, at most `steps`; with `parallel` it must be the end of a block. */
  to: number;
}

/** The policy that tokens are drawn from. */
export interface TokenPolicy {
  /** The tokens' reference policy. The probability of the mask token is always 0. */
  sampling: Sampling;
  /**
   * Strength of classifier-free guidance, from 0 (off) to 100. The logits become
   * u + (1 + cfgScale) (c - u), where c are the logits with the prompt, and u those with the prompt
   * masked. Default 0.
   */
  cfgScale?: number;
}

/** The common part of `DenoiseRequest` and `SearchRequest`. All texts have the same length. */
export interface DenoisingRequest extends TokenPolicy {
  prompt: Int32Array;
  schedule: DenoisingSchedule;
  remasking: Remasking;
  key: RandomKey;
  /** Stops all texts once this many positions were unmasked, within one pass. Default: no limit. */
  maxTotalTokens?: number;
  /** Stops all texts after this time, within one pass. Default: no limit. */
  timeLimitMs?: number | null;
}

/** A request to denoise texts. */
export interface DenoiseRequest extends DenoisingRequest {
  /**
   * The texts so far: the token of each position, or the mask token. Equal texts share full passes.
   * Words 0 to 2 of the random counter are the stream; word 3 combines denoising step and position.
   */
  texts: readonly { tokens: Int32Array; stream: RandomStream }[];
  /** Only with `low-confidence`. Default: each step unmasks as many positions as the schedule says. */
  parallel?: ParallelRule;
}

/** A request to search for the most probable texts. */
export interface SearchRequest extends DenoisingRequest {
  /** The texts so far, as in `DenoiseRequest`, and the log-probability of their unmasked tokens. */
  texts: readonly { tokens: Int32Array; logProb: number }[];
  /** All texts share this stream, so that random remasking chooses the same positions in each. */
  stream: RandomStream;
  /** Unfinished texts that the search keeps after each step; with a cache, at most the denoiser's `texts`. */
  width: number;
  /** The number of finished texts at which the search stops. */
  wanted: number;
}

/** Checks a request. Throws `ERR_INVALID_OPTION`, as `checkSearch` does. */
export function checkDenoise(request: DenoiseRequest): void {
  const { parallel, remasking } = request;
  if (parallel !== undefined) checkParallel(parallel, remasking);
  checkDenoising(request, request.texts, parallel !== undefined);
}

export function checkSearch(request: SearchRequest): void {
  checkDenoising(request, request.texts, false);
  checkInteger("width", request.width, 1, 1024);
  checkInteger("wanted", request.wanted, 1, 1024);
}

function checkDenoising(
  { schedule, remasking, cfgScale = 0 }: DenoisingRequest,
  texts: readonly { tokens: Int32Array }[],
  isParallel: boolean,
): void {
  checkSchedule(schedule, texts[0]?.tokens.length ?? 0, isParallel);
  checkOneOf("remasking", remasking, REMASKING);
  checkNumber("cfgScale", cfgScale, 0, 100);
}

function checkSchedule(schedule: DenoisingSchedule, length: number, isParallel: boolean): void {
  checkKeys("schedule", schedule, ["blockLength", "steps", "from", "to"]);
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
