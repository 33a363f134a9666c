/** Curves over the number of texts, from those that a run kept. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { curvesOf, passAt } from "../../src/evaluate/compare/curves.js";
import type { Entry } from "../../src/evaluate/compare/entries.js";
import type { GradedSample } from "../../src/evaluate/store/run-files.js";

type Text = NonNullable<GradedSample["texts"]>[number];

function text(answer: string | null, correct: boolean, more: Partial<Text> = {}): Text {
  return {
    text: `so ${answer}`,
    answer,
    correct,
    reward: null,
    logProb: -1,
    generated: 10,
    ...more,
  };
}

/** A method whose items were drawn these pools of texts, one sample each. */
function entryOf(pools: readonly (readonly Text[])[]): Entry {
  const samples = new Map(
    pools.map((texts, i) => [`item ${i}`, [{ texts } as unknown as GradedSample]]),
  );
  return { name: "majority", samples } as unknown as Entry;
}

function accuraciesOf(
  pools: readonly (readonly Text[])[],
  of: "pass" | "majority" | "weighted" | "best",
) {
  const [curve] = curvesOf([entryOf(pools)]);
  return curve?.points.map((point) => [point.k, point[of]?.accuracy]);
}

describe("pass@k", () => {
  test("is the share of the subsets of k texts that hold a right one", () => {
    const rights = fc.array(fc.boolean(), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(rights, fc.nat(), (right, at) => {
        const n = right.length;
        const k = 1 + (at % n);
        const subsets = Array.from({ length: 2 ** n }, (_, mask) =>
          right.filter((_, i) => (mask >> i) & 1),
        ).filter(({ length }) => length === k);
        const share = subsets.filter((subset) => subset.includes(true)).length / subsets.length;
        expect(
          passAt(
            k,
            right.map((correct) => ({ correct })),
          ),
        ).toBeCloseTo(share, 12);
      }),
    );
  });
});

describe("of the first k texts", () => {
  const pool = [text("1", false), text("2", true, { text: "b" }), text("2", true, { text: "c" })];

  test("the plurality is elected, of equals the answer seen first", () => {
    expect(accuraciesOf([[...pool, text(null, false)]], "majority")).toEqual([
      [1, 0],
      [2, 0],
      [4, 1],
    ]);
    expect(accuraciesOf([[text(null, false), text(null, true)]], "majority")).toEqual([
      [1, 0],
      [2, 0],
    ]);
  });

  test("a distinct text counts once, by its probability", () => {
    const probable = text("1", true, { logProb: -0.5 });
    const repeated = text("2", false, { logProb: -1 });
    expect(accuraciesOf([[probable, repeated, repeated, repeated]], "weighted")).toEqual([
      [1, 1],
      [2, 1],
      [4, 1],
    ]);
    expect(accuraciesOf([[probable, repeated, repeated, repeated]], "majority")?.at(-1)).toEqual([
      4, 0,
    ]);
  });

  test("the highest reward is the best, where each text has one", () => {
    const rewarded = [0.2, 0.9, 0.1].map((reward, i) => text("x", i === 1, { reward }));
    expect(accuraciesOf([rewarded], "best")).toEqual([
      [1, 0],
      [2, 1],
      [3, 1],
    ]);
    expect(accuraciesOf([pool], "best")?.[0]).toEqual([1, undefined]);
  });

  test("there is no curve where an item lacks texts, or has one", () => {
    expect(curvesOf([entryOf([pool, []])])).toEqual([]);
    expect(curvesOf([entryOf([[text("1", true)]])])).toEqual([]);
  });
});
