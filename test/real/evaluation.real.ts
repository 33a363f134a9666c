/** An evaluation of a real model, from its items to the page that compares the methods. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { evaluate } from "../../src/evaluate/evaluate.js";
import { compareRuns, evaluationReport } from "../../src/report/for-programs.js";
import { defineTask } from "../../src/tasks/define-task.js";
import { checkPage } from "../fixtures/html-page.js";
import { temporary, temporaryFile } from "../fixtures/temporary-directory.js";
import { hasRealModel, useRealModel } from "./real-model.js";

const model = useRealModel();

const ITEMS = [
  { country: "France", capital: "Paris" },
  { country: "Italy", capital: "Rome" },
  { country: "Japan", capital: "Tokyo" },
  { country: "Spain", capital: "Madrid" },
];
const capitals = defineTask({
  name: "capitals",
  parse: (row) => ({
    id: row.text("country"),
    prompt: `What is the capital of ${row.text("country")}? Answer in one word.`,
    gold: row.text("capital"),
  }),
  extract: (text) => text.match(/[A-Z][a-z]+/g)?.at(-1) ?? null,
});

describe.skipIf(!hasRealModel)("an evaluation", () => {
  test("side by side has every sample, its grade and a page that compares the methods", async () => {
    const rows = ITEMS.map((item) => JSON.stringify(item)).join("\n");
    const out = temporary("capitals");
    const { summary, drawn } = await evaluate(model(), capitals, {
      out,
      data: temporaryFile("capitals.jsonl", rows),
      concurrency: 2,
      seed: 1,
      methods: ["greedy", "majority", "ets"],
      options: { candidates: 3, steps: 2, maxTokens: 12 },
    });
    expect(drawn).toBe(3 * ITEMS.length);
    const samples = readFileSync(`${out}/samples.jsonl`, "utf8").trim().split("\n");
    expect(samples).toHaveLength(drawn);
    for (const name of ["greedy", "majority", "ets"]) {
      expect(summary.methods[name], name).toMatchObject({ n: ITEMS.length, failed: 0 });
      expect(summary.methods[name]?.generated, name).toBeGreaterThan(0);
    }
    for (const line of samples) {
      const { extracted, correct, item } = JSON.parse(line);
      const gold = ITEMS.find(({ country }) => country === item)?.capital;
      expect(correct).toBe(extracted?.toLowerCase() === gold?.toLowerCase());
    }
    const document = checkPage(await evaluationReport(await compareRuns([out])));
    for (const name of ["greedy", "majority", "ets"]) {
      expect(document.body.textContent).toContain(name);
    }
  });
});
