/** The tests between methods: against known values, by their properties, and by their error rates. */
import fc from "fast-check";
import seedrandom from "seedrandom";
import { describe, expect, test } from "vitest";
import { holmAdjusted } from "../../../src/evaluate/statistics/holm.js";
import { mcnemarPValue } from "../../../src/evaluate/statistics/mcnemar.js";

const counts = fc.integer({ min: 0, max: 3000 });
const pValues = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), {
  minLength: 1,
  maxLength: 20,
});

describe("McNemar's exact test", () => {
  test.each([
    // R: exact2x2's help, mcnemar.exact on Agresti's approval ratings.
    [86, 150, 3.715936139571442e-5],
    // By hand: 2 · Σ C(n, k) / 2^n.
    [0, 6, 2 / 64],
    [1, 8, (2 * (1 + 9)) / 512],
    [5, 15, (2 * 21_700) / 2 ** 20],
    [3, 3, 1],
    [0, 0, 1],
    // Exact rational arithmetic; .5 ** 2000 is no double any more.
    [900, 1100, 8.457089535503927e-6],
  ])("of %i against %i items is known", (won, lost, p) => {
    expect(mcnemarPValue(won, lost) / p).toBeCloseTo(1, 9);
  });

  test("is symmetric, a probability, and falls as the difference grows", () => {
    fc.assert(
      fc.property(counts, counts, (won, lost) => {
        const p = mcnemarPValue(won, lost);
        expect(p).toBe(mcnemarPValue(lost, won));
        expect(p).toBeGreaterThanOrEqual(0);
        expect(p).toBeLessThanOrEqual(1);
        const [most, least] = [Math.max(won, lost), Math.min(won, lost)];
        expect(mcnemarPValue(most + 1, least)).toBeLessThanOrEqual(p);
      }),
    );
  });

  test("rejects at most 5% of equal methods, by enumeration; one-sided values reject more", () => {
    const rate = (test: (won: number, lost: number) => number, n: number) => {
      let [probability, rejected] = [0.5 ** n, 0];
      for (let won = 0; won <= n; won++) {
        if (test(won, n - won) <= 0.05) rejected += probability;
        probability *= (n - won) / (won + 1);
      }
      return rejected;
    };
    const halved = (won: number, lost: number) => mcnemarPValue(won, lost) / 2;
    for (let n = 1; n <= 200; n++) expect(rate(mcnemarPValue, n)).toBeLessThanOrEqual(0.05);
    expect(rate(halved, 100)).toBeGreaterThan(0.05);
  });
});

describe("Holm's correction", () => {
  test.each([
    // R: p.adjust(p, "holm")
    [
      [0.01, 0.02, 0.03, 0.04, 0.05],
      [0.05, 0.08, 0.09, 0.09, 0.09],
    ],
    [
      [0.04, 0.001, 0.5],
      [0.08, 0.003, 0.5],
    ],
    [[0.2], [0.2]],
    [[], []],
  ])("of %j is R's", (raw, adjusted) => {
    for (const [i, p] of holmAdjusted(raw).entries()) expect(p).toBeCloseTo(adjusted[i] ?? NaN, 12);
    expect(holmAdjusted(raw)).toHaveLength(raw.length);
  });

  test("lies between the raw value and Bonferroni's, and keeps the order", () => {
    fc.assert(
      fc.property(pValues, (raw) => {
        const adjusted = holmAdjusted(raw);
        for (const [i, p] of raw.entries()) {
          expect(adjusted[i]).toBeGreaterThanOrEqual(p);
          expect(adjusted[i]).toBeLessThanOrEqual(Math.min(1, p * raw.length));
          for (const [j, q] of raw.entries()) {
            if (p < q) expect(adjusted[i]).toBeLessThanOrEqual(adjusted[j] as number);
          }
        }
      }),
    );
  });

  /**
   * Ten tests of nothing: any is rejected in 5% of 4000 families (1 - .995^10 = .0489). The rate's
   * standard deviation is .0034; accepted up to .065 (false alarm below 1e-5).
   */
  test("rejects any of ten true hypotheses in 5% of the families; raw values in 40%", () => {
    const random = seedrandom("families");
    const families = Array.from({ length: 4000 }, () => Array.from({ length: 10 }, () => random()));
    const rate = (adjust: (raw: number[]) => number[]) =>
      families.filter((raw) => Math.min(...adjust(raw)) <= 0.05).length / families.length;
    expect(rate(holmAdjusted)).toBeLessThan(0.065);
    expect(rate((raw) => raw)).toBeGreaterThan(0.35);
  });
});
