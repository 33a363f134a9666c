/** Curves from the texts that one run kept are those of runs that drew only so many. */
import { expect, test } from "vitest";
import { compareRuns } from "../../src/evaluate/compare/compare-runs.js";
import { passAt } from "../../src/evaluate/compare/curves.js";
import { evaluate } from "../../src/evaluate/evaluate.js";
import { isFailed } from "../../src/evaluate/store/run-files.js";
import { defineTask } from "../../src/tasks/define-task.js";
import { usePreciseModel } from "../fixtures/precise-model.js";
import { temporary, temporaryFile } from "../fixtures/temporary-directory.js";

const model = usePreciseModel();
/** Texts vote by their last symbol. */
const task = defineTask({
  name: "last-symbol",
  parse: (row) => ({ id: row.text("id"), prompt: row.text("id"), gold: "1" }),
  dataFile: temporaryFile(
    "items.jsonl",
    ["1+2", "2+1"].map((id) => JSON.stringify({ id })).join("\n"),
  ),
  extract: (text) => text.trim().at(-1) ?? null,
});
const options = { maxTokens: 24, temperature: 3 };

function first<T>(values: readonly T[] | undefined, count: number): T[] {
  return (values ?? []).slice(0, count);
}

test("of the texts that a vote chose from", async () => {
  const sizes = [1, 2, 4];
  const out = temporary("kept");
  await evaluate(model(), task, {
    methods: sizes.map((candidates) => ({
      ...{ name: `of ${candidates}`, method: "majority" as const, options: { candidates } },
    })),
    ...{ out, options },
  });
  const { comparison, items } = await compareRuns([out]);
  const curve = comparison.curves?.find(({ name }) => name === "of 4");
  expect(curve?.points.map(({ k }) => k)).toEqual(sizes);
  sizes.forEach((k, m) => {
    const drawn = items.map(({ samples }) => samples.map(([one]) => one));
    for (const own of drawn) {
      const [fresh, most] = [own[m], own.at(-1)];
      if (!fresh || !most || isFailed(fresh) || isFailed(most)) throw new Error("a sample failed");
      expect(fresh.texts).toHaveLength(k);
      const seen = ({ texts = [] }: typeof fresh) =>
        first(texts, k).map(({ text, answer, correct }) => ({ text, answer, correct }));
      expect(seen(most)).toEqual(seen(fresh));
    }
    expect(curve?.points[m]?.majority.accuracy).toBe(comparison.methods[m]?.accuracy);
  });
});

test("of several samples an item", async () => {
  const curves = async (samples: number) => {
    const out = temporary(`samples-${samples}`);
    await evaluate(model(), task, { methods: ["sample"], out, samples, options });
    return compareRuns([out]);
  };
  const [few, many] = [await curves(4), await curves(8)];
  const [fresh, stored] = [few, many].map(({ comparison }) => comparison.curves?.[0]?.points);
  expect(fresh?.map(({ k }) => k)).toEqual([1, 2, 4]);
  fresh?.forEach(({ k, majority, pass }, i) => {
    expect(stored?.[i]?.majority).toEqual(majority);
    const rights = many.items.map(({ samples }) =>
      first(samples[0], 4).map((one) => ({ correct: !isFailed(one) && one.correct })),
    );
    const shares = rights.map((right) => passAt(k, right));
    expect(pass.accuracy).toBe(shares.reduce((a, b) => a + b, 0) / shares.length);
  });
});
