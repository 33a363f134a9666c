import { checkWeights } from "./log-domain.js";

/**
 * Systematic resampling (Kitagawa 1996): draws N indices. Index i occurs ⌊N w(i)⌋ or ⌈N w(i)⌉ times, on
 * average N w(i) times, and never if w(i) is 0.
 *
 * @param weights normalised
 * @param uniform on [0, 1)
 * @throws LlamaEtsError `ERR_INVALID_STATE` if no index can be drawn with the weights
 */
export function resampleSystematically(weights: readonly number[], uniform: number): number[] {
  checkWeights(weights);
  const count = weights.length;
  const last = weights.findLastIndex((weight) => weight > 0); // rounding may leave a remainder
  let index = 0;
  let below = count * (weights[0] as number);
  return weights.map((_, i) => {
    while (i + uniform >= below && index < last) below += count * (weights[++index] as number);
    return index;
  });
}
