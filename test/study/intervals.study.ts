/**
 * How often the intervals of `compare` cover the truth (docs/comparing.md). Two methods answer the
 * same items; an item's difficulty is uniform, so that their results are correlated, and the
 * second method is right with probability d^.6 where the first is with d. Seeds are fixed. The
 * rate over 2,000 data sets has a standard deviation of .005; each may lie .02 below .95 and .02
 * for what small samples cost a percentile bootstrap, or .02 above (false alarm below 1e-4).
 *
 * Where differences are rare, the second method is right on items that the first gets wrong, or the
 * other way round, with the probabilities given; of several samples of such an item half are right. The
 * interval that `compare` takes may lie .02 below .95; the bootstrap's is the twin.
 */
import seedrandom from "seedrandom";
import { describe, expect, test } from "vitest";
import { percentileInterval, resampledMeans } from "../../src/evaluate/statistics/bootstrap.js";
import { bonettPriceInterval, tangoInterval } from "../../src/evaluate/statistics/paired.js";
import { type Interval, wilsonInterval } from "../../src/evaluate/statistics/wilson.js";

const DATASETS = 2000;
const RESAMPLES = 500;
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
const covers = ([low, high]: Interval, truth: number) => low <= truth && truth <= high;
/** E[d] and E[d^.6], d uniform. */
const [FIRST, SECOND] = [1 / 2, 1 / 1.6];

describe.each([
  [40, 1],
  [200, 1],
  [40, 8],
])("%i items of %i samples", (items, samples) => {
  test("intervals cover the truth", () => {
    const random = seedrandom(`${items}/${samples}`);
    const covered = { wilson: 0, bootstrap: 0, difference: 0, rate: 0, unpaired: 0 };
    const answers = (p: number) =>
      mean(Array.from({ length: samples }, () => (random() < p ? 1 : 0)));
    for (let dataset = 0; dataset < DATASETS; dataset++) {
      const difficulties = Array.from({ length: items }, () => random());
      const first = difficulties.map((d) => answers(d));
      const second = difficulties.map((d) => answers(d ** 0.6));
      // Harder items take longer: 100 to 200 tokens, 150 in the mean.
      const tokens = difficulties.map((d) => 0.2 - 0.1 * d);
      const options = { resamples: RESAMPLES, seed: dataset };
      const [a, b, t] = resampledMeans([first, second, tokens], options) as [
        Float64Array,
        Float64Array,
        Float64Array,
      ];
      const difference = b.map((value, i) => value - (a[i] as number));
      const rate = a.map((value, i) => value / (t[i] as number));
      // A wrong alternative: the interval as if the methods had answered different items.
      const [other] = resampledMeans([first], { resamples: RESAMPLES, seed: dataset + 0.5 });
      const unpaired = b.map((value, i) => value - (other?.[i] as number));
      const right = mean(first) * items;
      if (covers(wilsonInterval(right, items), FIRST)) covered.wilson++;
      if (covers(percentileInterval(a), FIRST)) covered.bootstrap++;
      if (covers(percentileInterval(difference), SECOND - FIRST)) covered.difference++;
      if (covers(percentileInterval(unpaired), SECOND - FIRST)) covered.unpaired++;
      if (covers(percentileInterval(rate), FIRST / 0.15)) covered.rate++;
    }
    const rates = Object.fromEntries(
      Object.entries(covered).map(([name, count]) => [name, count / DATASETS]),
    );
    console.log(`${items} items of ${samples} samples:`, rates);
    for (const name of ["bootstrap", "difference", "rate"]) {
      expect(rates[name], name).toBeGreaterThan(0.91);
      expect(rates[name], name).toBeLessThan(0.97);
    }
    if (samples === 1) expect(rates.wilson).toBeGreaterThan(0.93);
    // Ignoring the pairs makes the interval too wide.
    expect(rates.unpaired).toBeGreaterThan(rates.difference as number);
    if (samples > 1) expect(rates.unpaired).toBeGreaterThan(0.97);
  });
});

describe.each([
  [40, 1, 0.03, 0],
  [100, 1, 0.02, 0],
  [40, 1, 0.1, 0],
  [100, 1, 0.02, 0.02],
  [40, 8, 0.03, 0],
  [40, 8, 0.1, 0.1],
  [200, 8, 0.03, 0],
])("%i items of %i samples, %f won and %f lost", (items, samples, won, lost) => {
  test("intervals cover the truth, also of rare differences", () => {
    const random = seedrandom(`rare/${items}/${samples}/${won}/${lost}`);
    const size = samples === 1 ? 1 : 0.5;
    const answers = () =>
      samples === 1 ? 1 : mean(Array.from({ length: samples }, () => (random() < size ? 1 : 0)));
    const covered = { chosen: 0, bootstrap: 0 };
    for (let dataset = 0; dataset < DATASETS; dataset++) {
      const differences = Array.from({ length: items }, () => {
        const draw = random();
        return draw < won ? answers() : draw < won + lost ? -answers() : 0;
      });
      const wins = differences.filter((d) => d > 0).length;
      const losses = differences.filter((d) => d < 0).length;
      const options = { resamples: RESAMPLES, seed: dataset };
      const [means] = resampledMeans([differences], options) as [Float64Array];
      const bootstrap = percentileInterval(means);
      const ofSeveral = wins + losses < 16 ? bonettPriceInterval(differences) : bootstrap;
      const chosen = samples === 1 ? tangoInterval(wins, losses, items) : ofSeveral;
      const truth = size * (won - lost);
      if (covers(chosen, truth)) covered.chosen++;
      if (covers(bootstrap, truth)) covered.bootstrap++;
    }
    const [chosen, bootstrap] = [covered.chosen / DATASETS, covered.bootstrap / DATASETS];
    console.log(`${items} items of ${samples}, ${won} : ${lost}:`, { chosen, bootstrap });
    expect(chosen).toBeGreaterThan(0.93);
    if (lost === 0 && items * won < 3) expect(bootstrap).toBeLessThan(0.9);
  });
});
