/**
 * Logs and weights against numbers of 400 bits, over all that a double can hold: rewards of any size,
 * over any λ, leave weights that are right to rounding.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { treatWeights, type WeightTreatment } from "../../src/energy/importance-sampling.js";
import {
  drawIndex,
  effectiveSampleSize,
  largestOf,
  logMeanExp,
  logSumExp,
  normalise,
  saturated,
} from "../../src/energy/log-domain.js";
import { smoothWeights } from "../../src/energy/psis.js";
import { resampleSystematically } from "../../src/energy/resampling.js";
import {
  exactly,
  exponential,
  isNear,
  logarithm,
  over,
  sumOf,
  times,
} from "../fixtures/exact-arithmetic.js";

const NOTHING = Number.NEGATIVE_INFINITY;
const EPSILON = Number.EPSILON;

/** Any finite double, those near each other too, and terms of nothing. */
const anyDouble = fc.double({ noNaN: true, noDefaultInfinity: true });
const logs = fc
  .tuple(
    fc.oneof(anyDouble, fc.constantFrom(0, 1e13, -1e15, 1e16, 1e300, -1e308)),
    fc.array(
      fc.oneof(
        { weight: 4, arbitrary: fc.double({ min: -40, max: 40, noNaN: true }) },
        { weight: 1, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: anyDouble },
        { weight: 1, arbitrary: fc.constant(NOTHING) },
      ),
      { minLength: 1, maxLength: 30 },
    ),
  )
  .map(([base, offsets]) => offsets.map((offset) => clamp(base + offset)));
const clamp = (x: number) => (x === NOTHING ? x : saturated(x));

/** exp(x - max) of each, and their sum. */
function exactShares(xs: readonly number[]): { shares: bigint[]; total: bigint; max: number } {
  const max = Math.max(...xs);
  const shares = xs.map((x) => (x === NOTHING ? 0n : exponential(exactly(x) - exactly(max))));
  return { shares, total: sumOf(shares), max };
}

const hasWeight = (xs: readonly number[]) => xs.some((x) => x !== NOTHING);
/** What rounding a sum of the size of `x` may leave. */
const rounding = (x: number) => EPSILON * (Math.abs(x) + 64);

describe("against exact arithmetic", () => {
  test("log Σ exp and its mean are right to rounding, at any size", () => {
    fc.assert(
      fc.property(logs, (xs) => {
        expect(largestOf(xs)).toBe(Math.max(...xs));
        if (!hasWeight(xs)) {
          expect(logSumExp(xs)).toBe(NOTHING);
          expect(logMeanExp(xs)).toBe(NOTHING);
          return;
        }
        const { total, max } = exactShares(xs);
        const exact = exactly(max) + logarithm(total);
        expect(isNear(logSumExp(xs), exact, rounding(max))).toBe(true);
        const mean = exact - logarithm(exactly(xs.length));
        expect(isNear(logMeanExp(xs), mean, 2 * rounding(max))).toBe(true);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  test("weights are exp(x) / Σ exp to rounding, at any size; the log of the sum would be lost", () => {
    /** The twin: exp(x - log Σ). */
    const byLog = (xs: readonly number[]) => xs.map((x) => Math.exp(x - logSumExp(xs)));
    let wrong = 0;
    fc.assert(
      fc.property(logs, (xs) => {
        const weights = normalise(xs);
        if (!hasWeight(xs)) {
          expect(weights).toEqual(xs.map(() => 1 / xs.length));
          return;
        }
        const { shares, total } = exactShares(xs);
        const areNear = (of: readonly number[]) =>
          shares.every((share, i) => isNear(of[i] as number, over(share, total), 64 * EPSILON));
        expect(areNear(weights)).toBe(true);
        for (const [i, x] of xs.entries()) if (x === NOTHING) expect(weights[i]).toBe(0);
        if (!areNear(byLog(xs))) wrong++;
      }),
      { seed: 2, numRuns: 300 },
    );
    expect(wrong).toBeGreaterThan(50);
  });

  test("the effective sample size is 1 / Σ w², from 1 to n", () => {
    fc.assert(
      fc.property(logs, (xs) => {
        const weights = normalise(xs);
        const squares = sumOf(weights.map((w) => times(exactly(w), exactly(w))));
        const ess = effectiveSampleSize(weights);
        expect(isNear(ess, over(exactly(1), squares), 128 * EPSILON * ess)).toBe(true);
        expect(ess).toBeGreaterThanOrEqual(1);
        expect(ess).toBeLessThanOrEqual(xs.length);
      }),
      { seed: 3, numRuns: 200 },
    );
    for (let n = 1; n <= 300; n++) {
      expect(effectiveSampleSize(normalise(new Array<number>(n).fill(-1e15)))).toBe(n);
    }
  });

  test("an index is resampled ⌊N w⌋ or ⌈N w⌉ times, and never without weight", () => {
    const uniforms = fc.oneof(
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      fc.constantFrom(0, 1 - EPSILON / 2),
    );
    fc.assert(
      fc.property(logs, uniforms, (xs, uniform) => {
        const weights = normalise(xs);
        const drawn = resampleSystematically(weights, uniform);
        expect(drawn.length).toBe(weights.length);
        for (const [i, weight] of weights.entries()) {
          const count = drawn.filter((index) => index === i).length;
          if (weight === 0) expect(count).toBe(0);
          const slack = 64 * weights.length * EPSILON;
          expect(Math.abs(count - weights.length * weight)).toBeLessThan(1 + slack);
        }
      }),
      { seed: 7, numRuns: 100 },
    );
    for (let n = 1; n <= 60; n++) {
      const each = Array.from({ length: n }, (_, i) => i);
      expect(resampleSystematically(normalise(each.map(() => 0)), 0.5)).toEqual(each);
    }
  });

  test("an index is drawn whose part of the cumulative sum holds the number, and that has weight", () => {
    const uniforms = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
    fc.assert(
      fc.property(logs, uniforms, (xs, uniform) => {
        const weights = normalise(xs);
        const index = drawIndex(weights, uniform);
        expect(weights[index]).toBeGreaterThan(0);
        const below = sumOf(weights.slice(0, index).map(exactly));
        const slack = exactly(weights.length * EPSILON);
        expect(exactly(uniform) >= below - slack).toBe(true);
        expect(exactly(uniform) <= below + exactly(weights[index] as number) + slack).toBe(true);
      }),
      { seed: 4, numRuns: 300 },
    );
  });

  test.each([
    ["NaN", [0.5, Number.NaN]],
    ["NaN behind the index", [0.9, 0.05, Number.NaN]],
    ["infinity", [Number.POSITIVE_INFINITY, 0]],
    ["nothing above 0", [0, 0]],
    ["nothing", []],
  ])("no index is drawn by %s", (_, weights) => {
    for (const draw of [drawIndex, resampleSystematically]) {
      expect(() => draw(weights, 0.1)).toThrowError(
        expect.objectContaining({ code: "ERR_INVALID_STATE" }),
      );
    }
  });

  test("what isn't a log isn't taken for one", () => {
    const broken = [1, Number.NaN, 2];
    for (const of of [logSumExp, logMeanExp, largestOf]) expect(of(broken)).toBeNaN();
    expect(() => drawIndex(normalise(broken), 0.5)).toThrow(/weights to draw by/);
    expect(logMeanExp([])).toBe(NOTHING);
  });
});

describe.each<WeightTreatment>(["exact", "psis", "clip"])("weights: %s", (treatment) => {
  test("leaves weights of 0 what they are, and makes no other", () => {
    fc.assert(
      fc.property(logs, (xs) => {
        const treated = treatWeights(xs, treatment);
        expect(treated.length).toBe(xs.length);
        for (const [i, x] of xs.entries()) {
          if (x === NOTHING) expect(treated[i]).toBe(NOTHING);
          else expect(Number.isFinite(treated[i])).toBe(true);
          if (treatment === "exact") expect(treated[i]).toBe(x);
          if (treatment === "clip" && x !== NOTHING) {
            expect(treated[i]).toBe(Math.max(-10, Math.min(10, x)));
          }
        }
      }),
      { seed: 5, numRuns: 200 },
    );
  });
});

describe("k̂", () => {
  /** Ties of two to four values, of any number, and logs of any size. */
  const tied = fc
    .tuple(
      fc.array(fc.oneof(fc.double({ min: -30, max: 30, noNaN: true }), anyDouble), {
        minLength: 2,
        maxLength: 4,
      }),
      fc.array(fc.nat(3), { minLength: 1, maxLength: 400 }),
    )
    .map(([values, picks]) => picks.map((pick) => values[pick % values.length] as number));

  test("is a number wherever there is a tail, and smoothing leaves finite logs", () => {
    fc.assert(
      fc.property(fc.oneof(tied, logs), (xs) => {
        const finite = xs.filter(Number.isFinite);
        const { khat, logWeights } = smoothWeights(finite);
        if (khat !== null) expect(Number.isFinite(khat)).toBe(true);
        expect(logWeights.every(Number.isFinite)).toBe(true);
      }),
      { seed: 6, numRuns: 300 },
    );
  });

  test("is a number for a tail of 100 equal weights, where the fit passes through its limit of 0", () => {
    const weights = [...new Array<number>(1011).fill(0), ...new Array<number>(100).fill(1)];
    const { khat } = smoothWeights(weights);
    expect(khat).toBeLessThan(0);
    expect(Number.isFinite(khat)).toBe(true);
  });
});
