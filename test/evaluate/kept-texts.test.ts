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

test("of the texts that a vote, or a reward, chose from", async () => {
  const sizes = [1, 3];
  const rules = {
    majority: { method: "majority", options: {} },
    weighted: { method: "majority", options: { votes: "probability" } },
    best: { method: "best-of-n", options: { reward: "confidence" } },
  } as const;
  const out = temporary("kept");
  await evaluate(model(), task, {
    methods: Object.entries(rules).flatMap(([rule, { method, options }]) =>
      sizes.map((candidates) => ({
        name: `${rule} of ${candidates}`,
        method,
        options: { ...options, candidates },
      })),
    ),
    out,
    options,
  });
  const { comparison, items } = await compareRuns([out]);
  for (const rule of Object.keys(rules) as (keyof typeof rules)[]) {
    const curve = comparison.curves?.find(({ name }) => name === `${rule} of 3`);
    sizes.forEach((k) => {
      const m = comparison.methods.findIndex(({ name }) => name === `${rule} of ${k}`);
      const most = comparison.methods.findIndex(({ name }) => name === `${rule} of 3`);
      for (const { samples } of items) {
        const [fresh, stored] = [samples[m]?.[0], samples[most]?.[0]];
        if (!fresh || !stored || isFailed(fresh) || isFailed(stored)) throw new Error("failed");
        expect(fresh.texts).toHaveLength(k);
        // Probabilities are those of batches of other shapes.
        const seen = ({ texts }: typeof fresh) =>
          first(texts, k).map(({ text, answer, correct }) => ({ text, answer, correct }));
        expect(seen(stored)).toEqual(seen(fresh));
      }
      const point = curve?.points.find((at) => at.k === k);
      expect(point?.[rule]?.accuracy).toBe(comparison.methods[m]?.accuracy);
    });
  }
});

test("of several samples an item", async () => {
  const curves = async (samples: number, keep: "texts" | "entropies") => {
    const out = temporary(`samples-${samples}`);
    await evaluate(model(), task, { methods: ["sample"], out, samples, options, keep });
    return compareRuns([out]);
  };
  // What is measured of tokens changes none of them.
  const [few, many] = [await curves(4, "entropies"), await curves(8, "texts")];
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
