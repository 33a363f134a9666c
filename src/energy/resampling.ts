/**
 * N indices of which i comes up ⌊N w(i)⌋ or ⌈N w(i)⌉ times, N w(i) on average (Kitagawa 1996).
 *
 * @param weights normalised
 * @param uniform on [0, 1)
 */
export function resampleSystematically(weights: readonly number[], uniform: number): number[] {
  const count = weights.length;
  let index = 0;
  let below = weights[0] as number;
  return weights.map((_, i) => {
    const point = (i + uniform) / count;
    while (point >= below && index < count - 1) below += weights[++index] as number;
    return index;
  });
}
