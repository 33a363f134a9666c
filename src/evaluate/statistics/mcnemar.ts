/**
 * McNemar's exact test (1947): the two-sided p-value of `won` against `lost` items, under the hypothesis that
 * an item on which two methods differ goes either way with equal probability. Items on which they agree don't
 * count. With several samples per item it is the sign test of the items' accuracies.
 */
export function mcnemarPValue(won: number, lost: number): number {
  const n = won + lost;
  let logTerm = -n * Math.LN2; // log P(k of n)
  let tail = 0;
  for (let k = 0; k <= Math.min(won, lost); k++) {
    tail += Math.exp(logTerm);
    logTerm += Math.log((n - k) / (k + 1));
  }
  return Math.min(1, 2 * tail);
}
