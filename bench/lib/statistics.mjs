import seedrandom from "seedrandom";

export function mean(numbers) {
  return numbers.reduce((a, b) => a + b, 0) / numbers.length;
}

/** Returns the median of the numbers. */
export function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Wilson's 95% interval of a proportion. */
export function wilson(right, n) {
  const z = 1.959964;
  const p = right / n;
  const centre = p + (z * z) / (2 * n);
  const spread = z * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  return [(centre - spread) / (1 + (z * z) / n), (centre + spread) / (1 + (z * z) / n)];
}

/** The mean difference of two paired lists of outcomes, and its 95% interval (normal). */
export function pairedDifference(ours, theirs) {
  const differences = ours.map((right, i) => Number(right) - Number(theirs[i]));
  const difference = mean(differences);
  const variance = mean(differences.map((d) => (d - difference) ** 2));
  const spread = 1.959964 * Math.sqrt(variance / differences.length);
  return { mean: difference, ci95: [difference - spread, difference + spread] };
}

/** The two-sided p-value of `won` against `lost` paired differences, under equal probabilities. */
export function signTest(won, lost) {
  const n = won + lost;
  let term = 0.5 ** n;
  let tail = 0;
  for (let k = 0; k <= Math.min(won, lost); k++) {
    tail += term;
    term *= (n - k) / (k + 1);
  }
  return Math.min(1, 2 * tail);
}

/** The mean of values, and its 95% interval by the normal law: mean ± 1.96 standard errors. */
export function meanInterval(values) {
  const n = values.length;
  const mean = values.reduce((a, b) => a + b, 0) / n;
  const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / Math.max(1, n - 1);
  const spread = 1.959964 * Math.sqrt(variance / n);
  return { mean, ci95: [mean - spread, mean + spread] };
}

/**
 * Returns the two-sided p-value of paired differences under the hypothesis that their signs are random: how
 * often random signs give a mean at least as far from 0. It uses the sizes of the differences. If all are 1
 * or -1, it is the sign test.
 */
export function signFlipTest(differences, { flips = 20_000, seed = 0 } = {}) {
  const random = seedrandom(`signs ${seed}`);
  const sizes = differences.map(Math.abs).filter((size) => size > 1e-9);
  const observed = Math.abs(differences.reduce((a, b) => a + b, 0)) - 1e-9;
  let asFar = 0;
  for (let flip = 0; flip < flips; flip++) {
    let sum = 0;
    for (const size of sizes) sum += random.quick() < 0.5 ? size : -size;
    if (Math.abs(sum) >= observed) asFar++;
  }
  // The observed signs count as one flip, which keeps the test valid for any number of flips.
  return (asFar + 1) / (flips + 1);
}

/** Student's 95% interval of a mean, of at least three values. */
export function studentInterval(values) {
  const n = values.length;
  const middle = mean(values);
  const variance = values.reduce((sum, x) => sum + (x - middle) ** 2, 0) / (n - 1);
  const spread = studentQuantile(n - 1) * Math.sqrt(variance / n);
  return [middle - spread, middle + spread];
}

/**
 * Returns the 97.5% quantile of Student's t distribution by Cornish and Fisher's expansion. The error is
 * 0.003 at 5 degrees of freedom and smaller above.
 */
function studentQuantile(freedom) {
  const z = 1.959964;
  const third = (5 * z ** 5 + 16 * z ** 3 + 3 * z) / 96;
  return z + (z ** 3 + z) / (4 * freedom) + third / freedom ** 2;
}
