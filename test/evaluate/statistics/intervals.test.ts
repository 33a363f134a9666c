/**
 * Intervals of accuracies: against published values, by their properties, and by how often they
 * cover the truth. The seeds are fixed; each simulation states how often a right implementation
 * would fail it at another seed, and has a twin that must fail it.
 */
import fc from "fast-check";
import seedrandom from "seedrandom";
import { describe, expect, test } from "vitest";
import { percentileInterval, resampledMeans } from "../../../src/evaluate/statistics/bootstrap.js";
import { bonettPriceInterval, tangoInterval } from "../../../src/evaluate/statistics/paired.js";
import { type Interval, wilsonInterval } from "../../../src/evaluate/statistics/wilson.js";
import { chiSquarePValue } from "../../fixtures/statistics.js";

const FALSE_ALARM = 1e-4;
const covers = ([low, high]: Interval, truth: number) => low <= truth && truth <= high;
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

describe("Wilson's interval", () => {
  test.each([
    // Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
    [81, 263, 0.2553, 0.3662],
    [15, 148, 0.0624, 0.1605],
    [0, 20, 0, 0.1611],
    [1, 29, 0.0061, 0.1718],
  ])("of %i of %i is the published one", (successes, trials, low, high) => {
    const [from, to] = wilsonInterval(successes, trials);
    expect(from).toBeCloseTo(low, 4);
    expect(to).toBeCloseTo(high, 4);
  });

  test("holds the rate, lies within [0, 1], and mirrors when right and wrong are swapped", () => {
    const proportion = fc
      .integer({ min: 1, max: 5000 })
      .chain((trials) => fc.tuple(fc.integer({ min: 0, max: trials }), fc.constant(trials)));
    fc.assert(
      fc.property(proportion, ([right, trials]) => {
        const [low, high] = wilsonInterval(right, trials);
        const [mirroredLow, mirroredHigh] = wilsonInterval(trials - right, trials);
        expect(low).toBeGreaterThanOrEqual(0);
        expect(high).toBeLessThanOrEqual(1);
        expect(low).toBeLessThanOrEqual(right / trials + 1e-12);
        expect(high).toBeGreaterThanOrEqual(right / trials - 1e-12);
        expect(low).toBeLessThan(high);
        expect(mirroredLow).toBeCloseTo(1 - high, 12);
        expect(mirroredHigh).toBeCloseTo(1 - low, 12);
      }),
    );
  });

  test("covers the truth in 92% of the samples or more, by enumeration; Wald's does not", () => {
    const wald = (right: number, n: number): Interval => {
      const half = 1.96 * Math.sqrt((right / n) * (1 - right / n) * (1 / n));
      return [right / n - half, right / n + half];
    };
    const coverage = (interval: typeof wald, n: number, p: number) =>
      binomial(n, p).reduce((sum, q, k) => sum + (covers(interval(k, n), p) ? q : 0), 0);
    const cases = [20, 40, 100, 200].flatMap((n) => [0.2, 0.5, 0.8].map((p) => [n, p] as const));
    for (const [n, p] of cases) expect(coverage(wilsonInterval, n, p)).toBeGreaterThan(0.92);
    expect(Math.min(...cases.map(([n, p]) => coverage(wald, n, p)))).toBeLessThan(0.92);
  });
});

describe("intervals of paired differences", () => {
  const counts = fc
    .integer({ min: 1, max: 300 })
    .chain((n) => fc.tuple(fc.constant(n), fc.nat(n)))
    .chain(([n, won]) => fc.tuple(fc.constant(n), fc.constant(won), fc.nat(n - won)));

  test("Tango's ends where the score test refuses, by the likeliest laws of that difference", () => {
    /** z of a difference, under the law of it that is likeliest, by search. */
    const scoreOf = (won: number, lost: number, n: number, difference: number) => {
      const term = (count: number, p: number) => (count === 0 ? 0 : count * Math.log(p));
      const logLikelihood = (q: number) =>
        term(won, q + difference) + term(lost, q) + term(n - won - lost, 1 - 2 * q - difference);
      const [least, most] = [Math.max(0, -difference), (1 - difference) / 2];
      let [low, high] = [least, most];
      for (let i = 0; i < 200; i++) {
        const [a, b] = [low + (high - low) / 3, high - (high - low) / 3];
        if (logLikelihood(a) < logLikelihood(b)) low = a;
        else high = b;
      }
      const variance = n * (2 * low + difference - difference ** 2);
      return (won - lost - n * difference) / Math.sqrt(variance);
    };
    fc.assert(
      fc.property(counts, ([n, won, lost]) => {
        const [low, high] = tangoInterval(won, lost, n);
        if (low > -1) expect(scoreOf(won, lost, n, low)).toBeCloseTo(1.96, 2);
        if (high < 1) expect(scoreOf(won, lost, n, high)).toBeCloseTo(-1.96, 2);
      }),
      { seed: 1 },
    );
  });

  test("hold the difference, lie within [-1, 1], and mirror when the methods are swapped", () => {
    fc.assert(
      fc.property(counts, ([n, won, lost]) => {
        const differences = Array.from({ length: n }, (_, i) =>
          i < won ? 1 : i < won + lost ? -1 : 0,
        );
        const swapped = differences.map((d) => -d);
        for (const [[low, high], [otherLow, otherHigh]] of [
          [tangoInterval(won, lost, n), tangoInterval(lost, won, n)],
          [bonettPriceInterval(differences), bonettPriceInterval(swapped)],
        ] as const) {
          expect(low).toBeGreaterThanOrEqual(-1);
          expect(high).toBeLessThanOrEqual(1);
          expect(low).toBeLessThan(high);
          expect(low).toBeLessThanOrEqual((won - lost) / n + 1e-9);
          expect(high).toBeGreaterThanOrEqual((won - lost) / n - 1e-9);
          expect(otherLow).toBeCloseTo(-high, 9);
          expect(otherHigh).toBeCloseTo(-low, 9);
        }
      }),
      { seed: 2 },
    );
    // One item, right against wrong, says little.
    expect(tangoInterval(1, 0, 1)[0]).toBeLessThan(0);
  });

  test("Tango's covers the truth in 93% or more where differences are rare; the bootstrap's doesn't", () => {
    /** With none lost the middle 95% of the bootstrap are those of a binomial of won / n. */
    const bootstrap = (won: number, lost: number, n: number): Interval => {
      if (lost > 0) return tangoInterval(won, lost, n);
      let [below, low, high] = [0, -1, -1];
      for (const [k, p] of binomial(n, won / n).entries()) {
        below += Number.isNaN(p) ? 0 : p;
        if (low < 0 && below >= 0.025) low = k;
        if (high < 0 && below >= 0.975) high = k;
      }
      return [low / n, (high < 0 ? n : high) / n];
    };
    const coverage = (of: typeof tangoInterval, n: number, won: number, lost: number) => {
      let covered = 0;
      for (const [w, p] of binomial(n, won).entries()) {
        for (const [l, q] of binomial(n - w, lost / (1 - won)).entries()) {
          if (p * q > 1e-9 && covers(of(w, l, n), won - lost)) covered += p * q;
        }
      }
      return covered;
    };
    const cases = ["40 .03 0", "100 .02 0", "40 .1 0", "40 .03 .03", "100 .02 .02"];
    for (const numbers of cases) {
      const [n = 0, won = 0, lost = 0] = numbers.split(" ").map(Number);
      expect(coverage(tangoInterval, n, won, lost)).toBeGreaterThan(0.93);
    }
    expect(coverage(bootstrap, 40, 0.03, 0)).toBeCloseTo(0.7, 1);
    expect(coverage(bootstrap, 100, 0.02, 0)).toBeLessThan(0.9);
  });
});

describe("the bootstrap over items", () => {
  test("draws items with replacement: of (0, 0, 1) the mean is binomial", () => {
    const resamples = 5000;
    const [means = new Float64Array()] = resampledMeans([[0, 0, 1]], { resamples });
    const counts = [0, 1, 2, 3].map((k) => means.filter((m) => Math.round(3 * m) === k).length);
    expect(chiSquarePValue(counts, binomial(3, 1 / 3))).toBeGreaterThan(FALSE_ALARM);
    expect(chiSquarePValue(counts, binomial(3, 0.36))).toBeLessThan(FALSE_ALARM);
  });

  test("gives the percentiles of a known law: 8 of 20 right", () => {
    // R: qbinom(c(.025, .975), 20, .4) / 20
    const column = Array.from({ length: 20 }, (_, i) => (i < 8 ? 1 : 0));
    const [means = new Float64Array()] = resampledMeans([column]);
    expect(percentileInterval(means)).toEqual([0.2, 0.6]);
  });

  test("is the same at the same seed, another at another", () => {
    const column = [0.1, 0.4, 0.9, 1, 0.3];
    const draw = (seed: number) => resampledMeans([column], { resamples: 50, seed });
    expect(draw(3)).toEqual(draw(3));
    expect(draw(3)).not.toEqual(draw(4));
  });

  test("draws the same items for every column, and stays within their values", () => {
    const column = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
      minLength: 1,
      maxLength: 30,
    });
    fc.assert(
      fc.property(column, (values) => {
        const complement = values.map((v) => 1 - v);
        const [own, other] = resampledMeans([values, complement], { resamples: 40 });
        for (const [i, m] of (own as Float64Array).entries()) {
          expect(m + (other?.[i] as number)).toBeCloseTo(1, 12);
        }
        const [low, high] = percentileInterval(own as Float64Array);
        expect(low).toBeGreaterThanOrEqual(Math.min(...values) - 1e-12);
        expect(high).toBeLessThanOrEqual(Math.max(...values) + 1e-12);
        expect(low).toBeLessThanOrEqual(high);
      }),
      { numRuns: 50 },
    );
  });

  /**
   * 60 items of random difficulty, 8 samples each. The interval should cover .95, less about .01
   * for 60 items; over 400 data sets its rate has a standard deviation of .012. Accepted: .89 to
   * .99, more than four standard deviations on either side (false alarm below 1e-4).
   */
  test("covers the truth when an item has several samples; ignoring the items does not", () => {
    const random = seedrandom("coverage");
    const [datasets, items, samples] = [400, 60, 8];
    let [clustered, pooled] = [0, 0];
    for (let dataset = 0; dataset < datasets; dataset++) {
      const accuracies = Array.from({ length: items }, () => {
        const difficulty = random(); // uniform: the accuracy is .5 over all items
        return mean(Array.from({ length: samples }, () => (random() < difficulty ? 1 : 0)));
      });
      const [means] = resampledMeans([accuracies], { resamples: 300, seed: dataset });
      if (covers(percentileInterval(means as Float64Array), 0.5)) clustered++;
      const right = Math.round(mean(accuracies) * items * samples);
      if (covers(wilsonInterval(right, items * samples), 0.5)) pooled++;
    }
    expect(clustered / datasets).toBeGreaterThan(0.89);
    expect(clustered / datasets).toBeLessThan(0.99);
    expect(pooled / datasets).toBeLessThan(0.89);
  });
});

/** P(k) of n trials, k from 0 to n. */
function binomial(n: number, p: number): number[] {
  const law = [(1 - p) ** n];
  for (let k = 0; k < n; k++) law.push(((law[k] as number) * (n - k) * p) / ((k + 1) * (1 - p)));
  return law;
}
