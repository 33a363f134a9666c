/**
 * Holm's step-down correction (1979) of the p-values of several tests. If each test whose adjusted
 * value is at most α is rejected, the probability of any wrong rejection is at most α, however the
 * tests depend on each other.
 */
export function holmAdjusted(pValues: readonly number[]): number[] {
  const adjusted = [...pValues];
  const ascending = [...pValues.keys()].sort((a, b) => at(pValues, a) - at(pValues, b));
  let before = 0;
  for (const [rank, test] of ascending.entries()) {
    before = Math.min(1, Math.max(before, (pValues.length - rank) * at(pValues, test)));
    adjusted[test] = before;
  }
  return adjusted;
}

function at(values: readonly number[], index: number): number {
  return values[index] as number;
}
