import { checkInteger, checkKeys, checkNumber } from "./check.js";
import type { CompiledConstraint, Constraint } from "./constraint/kinds.js";
import { LlamaEtsError } from "./errors.js";

/**
 * The reference policy: the model's distribution, restricted to `allowedTokens`, divided by
 * `temperature`, then cut by `topK`, `topP` and `minP` in this order, and renormalised.
 */
export interface SamplingOptions {
  /** 0 is greedy; else .01 to 100. Default .7. */
  temperature?: number;
  /** The number of most probable tokens kept; 0 (default) keeps all. */
  topK?: number;
  /** Keeps the most probable tokens up to this probability, above 0 to 1 (default: all). */
  topP?: number;
  /** Drops tokens below this share of the most probable one's probability, 0 (default) to 1. */
  minP?: number;
  /** Only these token ids; include an end token where texts should end. Default: all. */
  allowedTokens?: readonly number[];
  /**
   * What texts are restricted to: tokens are drawn from what it allows next, renormalised. Probabilities
   * are told under the policy without it, beside the mass of what it allows. `docs/constraints.md`.
   */
  constraint?: Constraint;
}

const SAMPLING_KEYS = [
  ...(["temperature", "topK", "topP", "minP"] as const),
  ...(["allowedTokens", "constraint"] as const),
] as const;

export interface Sampling extends Required<Omit<SamplingOptions, "constraint">> {
  /** Absent where texts aren't restricted. */
  constraint?: CompiledConstraint;
  /** Ids from here on have no probability; the vocabulary's size, or what two models share. */
  vocabLimit: number;
}

/**
 * Fills in the defaults and checks the ranges. Throws `ERR_INVALID_OPTION`.
 *
 * @param constraint that of the options, compiled
 */
export function resolveSampling(
  options: SamplingOptions,
  vocabSize: number,
  constraint?: CompiledConstraint,
): Sampling {
  const { temperature = 0.7, topK = 0, topP = 1, minP = 0, allowedTokens = [] } = options;
  if (temperature !== 0) checkNumber("temperature", temperature, 0.01, 100);
  checkInteger("topK", topK, 0, 2 ** 31 - 1);
  checkNumber("topP", topP, Number.MIN_VALUE, 1);
  checkNumber("minP", minP, 0, 1);
  if (!Array.isArray(allowedTokens) || (options.allowedTokens && allowedTokens.length === 0)) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      "Expected `allowedTokens` to be a non-empty array of token ids",
    );
  }
  for (const token of allowedTokens) checkInteger("allowedTokens", token, 0, vocabSize - 1);
  const unique = [...new Set(allowedTokens)].sort((a, b) => a - b);
  return {
    temperature,
    topK,
    topP,
    minP,
    allowedTokens: unique,
    vocabLimit: vocabSize,
    ...(constraint && { constraint }),
  };
}

/** As `resolveSampling`, for an object that holds sampling options alone. */
export function resolveOnlySampling(
  options: SamplingOptions,
  vocabSize: number,
  constraint?: CompiledConstraint,
): Sampling {
  checkKeys("sampling", options, SAMPLING_KEYS);
  return resolveSampling(options, vocabSize, constraint);
}
