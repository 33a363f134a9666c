import { checkKeys, checkPositive } from "../engine/check.js";
import type { TokenMetric } from "../engine/sequences.js";
import type { Completion, Reward } from "./reward.js";

export interface CertaintyOptions {
  /** a of the formula, above 0: how fast the reward moves with the mean over tokens, a nat. */
  rate?: number;
}

/**
 * exp(a · mean log p) of a text's tokens under the distribution sampled, from 0 to 1: with a = 1,
 * the default, the geometric mean of their probabilities.
 */
export function confidence(options: CertaintyOptions = {}): Reward {
  const rate = rateOf("confidence", options, 1);
  return {
    name: "confidence",
    score: ({ pool }) => pool.map(({ logProbs }) => Math.exp(rate * meanOf(logProbs))),
  };
}

/** Throws `ERR_INVALID_OPTION`. */
export function rateOf(name: string, options: CertaintyOptions, preset: number): number {
  checkKeys(name, options, ["rate"]);
  const { rate = preset } = options;
  return checkPositive("rate", rate);
}

/** A text has at least one token, its end. */
function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** A metric's mean over each text's tokens. The run that draws the texts measures it. */
export function meansOf(pool: readonly Completion[], metric: TokenMetric): number[] {
  return pool.map((completion) => meanOf(completion[metric] ?? []));
}
