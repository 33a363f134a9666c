import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  drawIndex,
  effectiveSampleSize,
  logMeanExp,
  logSumExp,
  normalise,
} from "../../src/energy/log-domain.js";

const logs = fc.array(fc.double({ min: -30, max: 30, noNaN: true }), {
  minLength: 1,
  maxLength: 40,
});

describe("log-sum-exp", () => {
  test("is the log of the sum of exponentials", () => {
    fc.assert(
      fc.property(logs, (xs) => {
        const plain = Math.log(xs.reduce((sum, x) => sum + Math.exp(x), 0));
        expect(logSumExp(xs)).toBeCloseTo(plain, 10);
      }),
      { seed: 1 },
    );
  });

  test("moves with a shift of all terms, also where exp overflows", () => {
    fc.assert(
      fc.property(logs, fc.constantFrom(-1e6, 1e6, 1e9), (xs, shift) => {
        const moved = logSumExp(xs.map((x) => x + shift));
        expect(moved - shift).toBeCloseTo(logSumExp(xs), 6);
      }),
      { seed: 2 },
    );
    expect(logSumExp([1e308, 1e308])).toBe(1e308);
  });

  test("takes -Infinity for a term of nothing", () => {
    expect(logSumExp([Number.NEGATIVE_INFINITY, 2])).toBe(2);
    expect(logSumExp([])).toBe(Number.NEGATIVE_INFINITY);
  });
});

describe("the energy of a 0/1 reward", () => {
  // The paper's worked example: λ = .1, K = 3, c rewarded rollouts of 3.
  test.each([
    [0, 1],
    [1, 7342.82],
    [2, 14684.64],
    [3, 22026.47],
  ])("with %i of 3 rollouts rewarded is %f at λ = .1", (rewarded, energy) => {
    const rewards = [0, 1, 2].map((k) => (k < rewarded ? 1 : 0));
    const logEnergy = logMeanExp(rewards.map((r) => r / 0.1));
    expect(Math.exp(logEnergy)).toBeCloseTo(energy, 2);
  });
});

describe("normalised weights", () => {
  test("add up to 1 and keep the ratios, however large the logs", () => {
    fc.assert(
      fc.property(logs, fc.constantFrom(0, 1e5), (xs, shift) => {
        const weights = normalise(xs.map((x) => x + shift));
        expect(weights.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 10);
        const [a = 0, b = 0] = [weights[0], weights.at(-1)];
        expect(Math.log(a / b)).toBeCloseTo((xs[0] as number) - (xs.at(-1) as number), 5);
      }),
      { seed: 3 },
    );
  });

  test("are equal when every weight is 0", () => {
    expect(normalise([Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY])).toEqual([0.5, 0.5]);
  });
});

describe("the effective sample size", () => {
  test("is from 1 to n: n for equal weights, 1 for a single one", () => {
    fc.assert(
      fc.property(logs, (xs) => {
        const ess = effectiveSampleSize(normalise(xs));
        expect(ess).toBeGreaterThanOrEqual(1 - 1e-9);
        expect(ess).toBeLessThanOrEqual(xs.length + 1e-9);
      }),
      { seed: 4 },
    );
    expect(effectiveSampleSize([0.25, 0.25, 0.25, 0.25])).toBeCloseTo(4);
    expect(effectiveSampleSize([0, 1, 0])).toBe(1);
  });
});

describe("drawing an index", () => {
  test("inverts the cumulative sum: each index owns an interval of its weight's length", () => {
    const weights = [0.1, 0, 0.6, 0.3];
    const counts = [0, 0, 0, 0];
    const draws = 10_000;
    for (let i = 0; i < draws; i++) {
      const index = drawIndex(weights, (i + 0.5) / draws);
      counts[index] = (counts[index] ?? 0) + 1;
    }
    expect(counts).toEqual([1000, 0, 6000, 3000]);
  });

  test("never draws a weight of 0, also when rounding leaves a remainder", () => {
    expect(drawIndex([0.3, 0.7 - 1e-9, 0], 1 - 1e-12)).toBe(1);
    expect(drawIndex([0, 1], 0)).toBe(1);
  });
});
