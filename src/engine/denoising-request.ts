/** What a denoiser can be asked for, and how it is checked. */
import { checkInteger, checkKeys, checkNumber, checkOneOf } from "./check.js";
import { LlamaEtsError } from "./errors.js";
import type { Sampling } from "./sampling.js";
import type { RandomKey, RandomStream } from "./sequences.js";

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
/** Which of the drawn positions a denoising step unmasks. */
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
/** Whose keys and values Fast-dLLM keeps: none, those before the block, or those on both sides. */
export type DiffusionCache = (typeof CACHES)[number];

/**
 * Confidence-parallel decoding (Fast-dLLM): a step unmasks every position whose drawn token has
 * confidence (its probability) at least `threshold`, from 0 to 1; or the n most confident, for
 * the largest n of which all have confidence c_i >= 1 - factor / (i + 1), `factor` above 0. Always
 * at least one.
 */
export type ParallelRule = { threshold: number } | { factor: number };

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

/** The policy that tokens are drawn by. */
export interface TokenPolicy {
  /** The tokens' reference policy. The mask token never has probability. */
  sampling: Sampling;
  /**
   * Classifier-free guidance, 0 (off) to 100: logits u + (1 + cfgScale) (c - u), where u are those
   * with the prompt masked. Default 0.
   */
  cfgScale?: number;
}

/** What drawing texts and searching them have in common. Texts are all of one length. */
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

export interface DenoiseRequest extends DenoisingRequest {
  /**
   * All positions of the texts so far, the mask token where masked. Equal ones share full passes. Word
   * 3 of their random counter is made of denoising step and position.
   */
  texts: readonly { tokens: Int32Array; stream: RandomStream }[];
  /** Only with `low-confidence`. Default: as many as the schedule says. */
  parallel?: ParallelRule;
}

export interface SearchRequest extends DenoisingRequest {
  /** The texts so far, as in `DenoiseRequest`, and log p of what is unmasked of them. */
  texts: readonly { tokens: Int32Array; logProb: number }[];
  /** Shared by all texts: random remasking chooses the same positions in each. */
  stream: RandomStream;
  /** Texts that go on after each step; with a cache, at most the context's. */
  width: number;
  /** Texts that may end before the search does. */
  wanted: number;
}

/** Throws `ERR_INVALID_OPTION`, as `checkSearch` does. */
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
