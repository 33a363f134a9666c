/** Pareto smoothing against its definition (Vehtari et al. 2024). Seeds are fixed. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fitGeneralisedPareto, smoothWeights } from "../../src/energy/psis.js";
import { paretoSample } from "../study/pareto.js";

const logs = fc.array(fc.double({ min: -20, max: 20, noNaN: true }), {
  minLength: 1,
  maxLength: 200,
});
const byValue = (values: readonly number[]) =>
  [...values.keys()].sort((a, b) => at(values, a) - at(values, b));
const at = (values: readonly number[], i: number) => values[i] as number;

describe("the fit", () => {
  // Over 200 samples the mean's error is about .003, the bound six of them.
  test.each([-0.2, 0.1, 0.3, 0.5, 0.7, 1])("recovers a shape of %f", (shape) => {
    const fits = Array.from({ length: 200 }, (_, i) =>
      fitGeneralisedPareto(paretoSample(1000, shape, `fit/${i}`).sort((a, b) => a - b)),
    );
    const mean = fits.reduce((sum, fit) => sum + fit.shape, 0) / fits.length;
    // The prior counts as ten observations of .5.
    expect(Math.abs(mean - (1000 * shape + 5) / 1010)).toBeLessThan(0.02);
    const scale = fits.reduce((sum, fit) => sum + fit.scale, 0) / fits.length;
    expect(Math.abs(scale - 1)).toBeLessThan(0.03);
    // The twin: a shape .1 off.
    expect(Math.abs(mean - (1000 * (shape + 0.1) + 5) / 1010)).toBeGreaterThan(0.05);
  });

  test("doesn't depend on the unit of the exceedances", () => {
    const sorted = paretoSample(300, 0.4, "unit").sort((a, b) => a - b);
    const fit = fitGeneralisedPareto(sorted);
    const scaled = fitGeneralisedPareto(sorted.map((x) => x * 1e6));
    expect(scaled.shape).toBeCloseTo(fit.shape, 8);
    expect(scaled.scale / fit.scale).toBeCloseTo(1e6, -1);
  });
});

describe("smoothing", () => {
  test("keeps the order, the body and the largest weight as a bound", () => {
    fc.assert(
      fc.property(logs, (weights) => {
        const { logWeights } = smoothWeights(weights);
        const order = byValue(weights);
        const tail = Math.ceil(Math.min(weights.length / 5, 3 * Math.sqrt(weights.length)));
        for (const i of order.slice(0, weights.length - tail)) {
          expect(at(logWeights, i)).toBe(at(weights, i));
        }
        const sorted = order.map((i) => at(logWeights, i));
        for (const [j, w] of sorted.entries()) {
          expect(w).toBeGreaterThanOrEqual((sorted[j - 1] ?? Number.NEGATIVE_INFINITY) - 1e-9);
        }
        expect(Math.max(...logWeights)).toBeLessThanOrEqual(Math.max(...weights) + 1e-9);
      }),
      { seed: 1 },
    );
  });

  test("moves with a shift of the logs, also where exp overflows", () => {
    fc.assert(
      fc.property(logs, fc.constantFrom(-5000, 5000), (weights, shift) => {
        const plain = smoothWeights(weights);
        const moved = smoothWeights(weights.map((w) => w + shift));
        for (const [i, w] of moved.logWeights.entries()) {
          expect(w - shift).toBeCloseTo(at(plain.logWeights, i), 4);
        }
        if (plain.khat === null) expect(moved.khat).toBeNull();
        else expect(moved.khat).toBeCloseTo(plain.khat, 4);
      }),
      { seed: 2 },
    );
  });

  test("replaces the tail by quantiles of the fitted distribution, below the largest weight", () => {
    // 400 weights: a tail of 3 √400 = 60.
    const weights = paretoSample(400, 0.6, "tail").map((x) => Math.log(x + 0.5));
    const { logWeights, khat } = smoothWeights(weights);
    const order = byValue(weights);
    const values = order.map((i) => Math.exp(at(weights, i)));
    const cutoff = at(values, 339);
    const fit = fitGeneralisedPareto(values.slice(340).map((v) => v - cutoff));
    expect(khat).toBeCloseTo(fit.shape, 8);
    for (const [j, i] of order.slice(340).entries()) {
      const p = (j + 0.5) / 60;
      const quantile = cutoff + (fit.scale * ((1 - p) ** -fit.shape - 1)) / fit.shape;
      expect(Math.exp(at(logWeights, i))).toBeCloseTo(Math.min(quantile, at(values, 399)), 6);
    }
  });

  test("tells heavy tails from light ones by k̂", () => {
    const khatOf = (shape: number) =>
      smoothWeights(paretoSample(2000, shape, "tails").map((x) => Math.log(x))).khat as number;
    expect(khatOf(0.2)).toBeLessThan(0.5);
    expect(khatOf(1)).toBeGreaterThan(0.7);
  });

  // arviz 0.19, `psislw` of the same weights.
  test.each<[string, number[], number]>([
    [
      "every weight in ties",
      Array.from({ length: 60 }, (_, i) => (i % 7) / 3),
      -2.3610642957555843,
    ],
    [
      "a cutoff in no tie",
      [...new Array<number>(28).fill(0), ...new Array<number>(6).fill(1), 1.5, 2, 2.2, 2.9, 3.3, 4],
      0.4174629856367772,
    ],
    [
      "a cutoff in a tie, which is no exceedance",
      [...new Array<number>(20).fill(0), 2, 2, 2, 3, 3, 3, 5, 5, 5, 5, 4, 4],
      -0.8080378704129392,
    ],
  ])("has arviz's k̂ for %s", (_, weights, khat) => {
    expect(smoothWeights(weights).khat).toBeCloseTo(khat, 10);
  });

  test("sees no tail in what rounding makes of equal weights, and one in more", () => {
    const noise = paretoSample(24, 1, "noise");
    const largest = Math.max(...noise);
    const spread = (width: number) => noise.map((x) => (width * x) / largest);
    expect(smoothWeights(spread(6.6e-5))).toEqual({ logWeights: spread(6.6e-5), khat: 0 });
    // The twin: the same shape, no longer within rounding.
    expect(smoothWeights(spread(2)).khat).toBeGreaterThan(0.5);
  });

  test("leaves a tail of fewer than 5 weights above the cutoff as it is", () => {
    const few = [...new Array<number>(40).fill(0), 1, 2, 3, 4];
    expect(smoothWeights(few)).toEqual({ logWeights: few, khat: null });
    expect(smoothWeights([...few, 5]).khat).not.toBeNull();
  });

  test("leaves too few weights, and equal ones, as they are", () => {
    const few = Array.from({ length: 20 }, (_, i) => i / 7);
    expect(smoothWeights(few)).toEqual({ logWeights: few, khat: null });
    expect(smoothWeights([])).toEqual({ logWeights: [], khat: null });
    const equal = new Array<number>(50).fill(-3);
    expect(smoothWeights(equal)).toEqual({ logWeights: equal, khat: 0 });
    expect(smoothWeights(Array.from({ length: 25 }, (_, i) => i / 7)).khat).not.toBeNull();
  });
});
