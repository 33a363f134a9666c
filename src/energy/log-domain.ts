/**
 * Weights in the log domain. exp(r/λ) overflows a double for λ < r/709, so nothing here
 * exponentiates before the largest term is taken out.
 */

/** log Σ exp(xᵢ); -Infinity for no terms. */
export function logSumExp(logs: readonly number[]): number {
  const max = logs.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (max === Number.NEGATIVE_INFINITY) return max;
  return max + Math.log(logs.reduce((sum, x) => sum + Math.exp(x - max), 0));
}

/** log of the mean of exp(xᵢ). */
export function logMeanExp(logs: readonly number[]): number {
  return logSumExp(logs) - Math.log(logs.length);
}

/** exp(xᵢ) / Σ exp(xⱼ): weights that add up to 1. */
export function normalise(logWeights: readonly number[]): number[] {
  const total = logSumExp(logWeights);
  // Every weight 0: nothing tells them apart.
  if (total === Number.NEGATIVE_INFINITY) return logWeights.map(() => 1 / logWeights.length);
  return logWeights.map((x) => Math.exp(x - total));
}

/**
 * Effective sample size (Σw)² / Σw² (Kong 1992): from 1, one weight has it all, to n, all are
 * equal.
 *
 * @param weights normalised
 */
export function effectiveSampleSize(weights: readonly number[]): number {
  return 1 / weights.reduce((sum, w) => sum + w * w, 0);
}

/**
 * Draws an index with the given probabilities by inverting their cumulative sum.
 *
 * @param weights normalised
 * @param uniform on [0, 1)
 */
export function drawIndex(weights: readonly number[], uniform: number): number {
  let left = uniform;
  let last = 0;
  for (const [i, weight] of weights.entries()) {
    if (weight <= 0) continue;
    last = i;
    left -= weight;
    if (left < 0) return i;
  }
  return last; // rounding left a remainder
}
