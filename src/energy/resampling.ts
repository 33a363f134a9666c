import { checkWeights } from "./log-domain.js";

/**
 * N indices of which i comes up ⌊N w(i)⌋ or ⌈N w(i)⌉ times, N w(i) on average, and never where w(i) is 0
 * (Kitagawa 1996).
 *
 * @param weights normalised
 * @param uniform on [0, 1)
 * @throws LlamaEtsError `ERR_INVALID_STATE` for weights that no index can be drawn by
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
