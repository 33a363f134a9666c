/** What is said of importance weights, on ratios made by hand: over distinct texts. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { ImportanceDiagnostics } from "../../src/energy/diagnostics.js";
import { diagnose, type RolloutRatio, weightConcerns } from "../../src/energy/diagnostics.js";

/** Rollouts of texts, each with its ratio and how often it was drawn. */
function drawn(texts: readonly (readonly [ratio: number, count: number])[]): RolloutRatio[] {
  return texts.flatMap(([ratio, count], i) =>
    Array.from({ length: count }, () => ({ name: `text ${i}`, logRatio: Math.log(ratio) })),
  );
}
const diagnosed = (rollouts: RolloutRatio[]) => diagnose(rollouts) as ImportanceDiagnostics;
const concernsOf = (rollouts: RolloutRatio[]) => weightConcerns(diagnosed(rollouts)).join();
const singles = (ratios: readonly number[]) => drawn(ratios.map((ratio) => [ratio, 1] as const));

describe("the diagnostics", () => {
  test("count one text drawn four times as one", () => {
    expect(diagnosed(drawn([[0.001, 4]]))).toEqual({
      rolloutCount: 4,
      distinctRollouts: 1,
      rolloutEss: 1,
      khat: null,
      meanRatio: expect.closeTo(0.001, 12),
      maxWeightShare: expect.closeTo(1, 12),
    });
  });

  test("are Kong's effective sample size where no text repeats", () => {
    const { rolloutEss, distinctRollouts } = diagnosed(singles([1, 2, 3, 4]));
    expect(distinctRollouts).toBe(4);
    expect(rolloutEss).toBeCloseTo(100 / 30, 12);
  });

  test("bound the effective sample size by 1 and by the distinct texts", () => {
    const texts = fc.array(
      fc.tuple(fc.double({ min: 1e-9, max: 1e9, noNaN: true }), fc.integer({ min: 1, max: 9 })),
      { minLength: 1, maxLength: 40 },
    );
    fc.assert(
      fc.property(texts, (given) => {
        const { rolloutEss, distinctRollouts } = diagnosed(drawn(given));
        expect(distinctRollouts).toBe(given.length);
        expect(rolloutEss).toBeGreaterThanOrEqual(1 - 1e-9);
        expect(rolloutEss).toBeLessThanOrEqual(given.length);
      }),
    );
  });

  test("fit k̂ to distinct texts, not to their copies", () => {
    const ratios = Array.from({ length: 24 }, (_, i) => 1 + i / 7);
    const once = diagnosed(singles(ratios)).khat;
    expect(once).not.toBeNull();
    const copied = drawn(ratios.map((ratio, i) => [ratio, 1 + (i % 5)] as const));
    expect(diagnosed(copied).khat).toBe(once);
    // Eight texts are too few for a fit, however often they came.
    expect(diagnosed(drawn(ratios.slice(0, 8).map((r) => [r, 4] as const))).khat).toBeNull();
  });

  test("tell of texts that the reference can't draw", () => {
    const none = diagnosed(singles([0, 0]));
    expect(none).toMatchObject({ rolloutEss: 0, meanRatio: 0, maxWeightShare: 0 });
    expect(diagnosed(singles([0, 1, 0, 1]))).toMatchObject({ rolloutEss: 2, meanRatio: 0.5 });
    expect(diagnose([])).toBeNull();
  });
});

describe("a warning", () => {
  test("comes when one text stands for what the reference hardly ever draws", () => {
    expect(concernsOf(drawn([[0.001, 4]]))).toBe(
      "the ESS is 1.0,4 rollouts are one text, whose mean ratio is 0.0010 in place of 1",
    );
    const eight = Array.from({ length: 8 }, (_, i) => [1e-9 * (i + 1), 4] as const);
    expect(concernsOf(drawn(eight))).toMatch(/ESS is [4-8].*32 rollouts are 8 texts.*e-9/);
  });

  test("doesn't come when the one text is what the reference draws too", () => {
    expect(concernsOf(drawn([[0.97, 4]]))).toBe("");
    expect(
      concernsOf(
        drawn([
          [1.1, 28],
          [0.1, 1],
          [0.2, 1],
          [0.1, 1],
          [0.1, 1],
        ]),
      ),
    ).toBe("");
  });

  test("comes when one of several texts has nearly all the weight", () => {
    expect(concernsOf(singles([1000, 1, 1, 1]))).toBe("the ESS is 1.0");
    expect(
      concernsOf(
        drawn([
          [0.5, 28],
          [1e6, 1],
          [1, 1],
        ]),
      ),
    ).toMatch(/ESS is 1\.0/);
    expect(concernsOf(singles([2, 1, 1, 1]))).toBe("");
    // Three rollouts are too few to say so.
    expect(concernsOf(singles([1000, 1, 1]))).toBe("");
  });

  test("comes with a heavy tail, and not with what rounding makes of equal ratios", () => {
    const heavy = Array.from({ length: 40 }, (_, i) => 1 + (40 / (i + 0.5)) ** 1.5);
    expect(concernsOf(singles(heavy))).toMatch(/Pareto k̂ is/);
    const rounded = heavy.map((x) => Math.exp((6.6e-5 * x) / (heavy[0] as number)));
    expect(diagnosed(singles(rounded))).toMatchObject({ khat: 0, distinctRollouts: 40 });
    expect(concernsOf(singles(rounded))).toBe("");
  });

  test("doesn't come from a step without importance weights", () => {
    expect(weightConcerns({})).toEqual([]);
  });
});
