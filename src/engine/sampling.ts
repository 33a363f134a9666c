import { checkInteger, checkKeys, checkNumber } from "./check.js";
import type { CompiledConstraint, Constraint } from "./constraint/kinds.js";
import { LlamaEtsError } from "./errors.js";

/**
 * The reference policy. The model's logits are restricted to `allowedTokens` and divided by
 * `temperature`. Then `topK`, `topP` and `minP` truncate the distribution in this order, and the
 * remaining probabilities are renormalized.
 */
export interface SamplingOptions {
  /** 0 (greedy), or from .01 to 100. Default .7. */
  temperature?: number;
  /** Keeps this many of the most probable tokens; 0 (default) keeps all. */
  topK?: number;
  /** Keeps the most probable tokens up to this total probability: above 0, at most 1 (default, all). */
  topP?: number;
  /** Drops tokens less probable than this share of the top probability, from 0 (default) to 1. */
  minP?: number;
  /** Keeps only these token ids. Texts can end only if an end token is among them. Default: all. */
  allowedTokens?: readonly number[];
  /**
   * Restricts the texts: each token is drawn from the tokens that the constraint allows next, with
   * renormalized probabilities. Reported log-probabilities are those of the policy without the
   * constraint, beside the total probability of the allowed tokens. See docs/constraints.md.
   */
  constraint?: Constraint;
}

const SAMPLING_KEYS = [
  "temperature",
  "topK",
  "topP",
  "minP",
  "allowedTokens",
  "constraint",
] as const;

/** Checked sampling options, with all defaults filled in. */
export interface Sampling extends Required<Omit<SamplingOptions, "constraint">> {
  /** Absent if texts aren't restricted. */
  constraint?: CompiledConstraint;
  /** Size of the vocabulary, or of the part that two models share. Ids from here on have probability 0. */
  vocabLimit: number;
}

/**
 * Fills in the defaults and checks the ranges. Throws `ERR_INVALID_OPTION`.
 *
 * @param constraint the compiled constraint of the options
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

/** Like `resolveSampling`, and refuses options that aren't sampling options. */
export function resolveOnlySampling(
  options: SamplingOptions,
  vocabSize: number,
  constraint?: CompiledConstraint,
): Sampling {
  checkKeys("sampling", options, SAMPLING_KEYS);
  return resolveSampling(options, vocabSize, constraint);
}
