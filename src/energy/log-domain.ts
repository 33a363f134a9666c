/**
 * Weights in the log domain. exp(r/λ) overflows a double for λ < r/709, so these functions subtract the
 * largest log before they exponentiate.
 */

import { LlamaEtsError } from "../engine/errors.js";

/** The largest of some numbers; -Infinity if there are none, NaN if one of them is NaN. */
export function largestOf(values: Iterable<number>): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (const value of values) largest = Math.max(largest, value);
  return largest;
}

/** log Σ exp(xᵢ); -Infinity if there are no terms or all terms are -Infinity. */
export function logSumExp(logs: readonly number[]): number {
  const max = largestOf(logs);
  if (!Number.isFinite(max)) return max;
  return max + Math.log(logs.reduce((sum, x) => sum + Math.exp(x - max), 0));
}

/** log of the mean of exp(xᵢ); -Infinity for no terms. */
export function logMeanExp(logs: readonly number[]): number {
  return logs.length === 0 ? Number.NEGATIVE_INFINITY : logSumExp(logs) - Math.log(logs.length);
}

/**
 * exp(xᵢ) / Σ exp(xⱼ): weights that add up to 1, at any scale of the logs. It divides by the sum of
 * exp(xᵢ - max). To subtract its log would be inaccurate, because rounding loses it next to a max of 1e15.
 */
export function normalise(logWeights: readonly number[]): number[] {
  const max = largestOf(logWeights);
  // If every weight is 0, all get the same weight.
  if (max === Number.NEGATIVE_INFINITY) return logWeights.map(() => 1 / logWeights.length);
  const shares = logWeights.map((x) => Math.exp(x - max));
  const total = shares.reduce((sum, share) => sum + share, 0);
  return shares.map((share) => share / total);
}

/** A log for reports. An infinite number, as r / λ may be, becomes the largest double of its sign. */
export function saturated(log: number): number {
  return Math.min(Math.max(log, -Number.MAX_VALUE), Number.MAX_VALUE);
}

/**
 * Effective sample size (Σw)² / Σw² (Kong 1992). It is 1 if one weight is not 0, and n if all n weights
 * are equal.
 *
 * @param weights normalised
 */
export function effectiveSampleSize(weights: readonly number[]): number {
  const largest = largestOf(weights);
  let [sum, squares] = [0, 0];
  for (const weight of weights) {
    const share = weight / largest; // equal weights become exactly 1
    sum += share;
    squares += share * share;
  }
  return Math.min(Math.max((sum * sum) / squares, 1), weights.length);
}

/**
 * Draws an index with the given probabilities by inverting their cumulative sum.
 *
 * @param weights normalised
 * @param uniform on [0, 1)
 * @throws LlamaEtsError `ERR_INVALID_STATE` if a weight is not a finite number, or none is above 0
 */
export function drawIndex(weights: readonly number[], uniform: number): number {
  checkWeights(weights);
  let left = uniform;
  let last = 0;
  for (const [i, weight] of weights.entries()) {
    if (weight <= 0) continue;
    last = i;
    left -= weight;
    if (left < 0) break;
  }
  if (Number.isNaN(left)) throw noWeights(weights);
  return last; // also if rounding leaves a remainder
}

/**
 * Throws `ERR_INVALID_STATE` if no index can be drawn with the weights: if one is not a finite number, or
 * none is above 0.
 */
export function checkWeights(weights: readonly number[]): void {
  if (!weights.every(Number.isFinite) || !weights.some((weight) => weight > 0)) {
    throw noWeights(weights);
  }
}

function noWeights(weights: readonly number[]): LlamaEtsError {
  const shown = weights.length > 8 ? `${weights.slice(0, 8)}, …` : `${weights}`;
  return new LlamaEtsError(
    "ERR_INVALID_STATE",
    `Expected weights to draw by: finite numbers, one of them above 0; got [${shown}]`,
  );
}
