/**
 * Weights in the log domain. exp(r/λ) overflows a double for λ < r/709, so nothing here
 * exponentiates before the largest term is taken out.
 */

import { LlamaEtsError } from "../engine/errors.js";

/** The largest of some numbers; -Infinity of none, NaN where one of them is. */
export function largestOf(values: Iterable<number>): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (const value of values) largest = Math.max(largest, value);
  return largest;
}

/** log Σ exp(xᵢ); -Infinity for no terms, and for terms of nothing (-Infinity) alone. */
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
 * exp(xᵢ) / Σ exp(xⱼ): weights that add up to 1, at any scale of the logs. The sum is taken of
 * exp(xᵢ - max) and divided by: a log of it would be lost beside a max of 1e15.
 */
export function normalise(logWeights: readonly number[]): number[] {
  const max = largestOf(logWeights);
  // Every weight 0: nothing tells them apart.
  if (max === Number.NEGATIVE_INFINITY) return logWeights.map(() => 1 / logWeights.length);
  const shares = logWeights.map((x) => Math.exp(x - max));
  const total = shares.reduce((sum, share) => sum + share, 0);
  return shares.map((share) => share / total);
}

/** A log as it is reported: what a double can't hold, as r / λ may be, is its largest number. */
export function saturated(log: number): number {
  return Math.min(Math.max(log, -Number.MAX_VALUE), Number.MAX_VALUE);
}

/**
 * Effective sample size (Σw)² / Σw² (Kong 1992): from 1, one weight has it all, to n, all are
 * equal.
 *
 * @param weights normalised
 */
export function effectiveSampleSize(weights: readonly number[]): number {
  const largest = largestOf(weights);
  let [sum, squares] = [0, 0];
  for (const weight of weights) {
    const share = weight / largest; // equal weights are 1 then, without rounding
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
 * @throws LlamaEtsError `ERR_INVALID_STATE` for weights that no index can be drawn by: one that is
 *   no number, or none above 0
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
  return last; // also where rounding leaves a remainder
}

/**
 * Throws `ERR_INVALID_STATE` for weights that no index can be drawn by: one that is no number, or none
 * above 0.
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
