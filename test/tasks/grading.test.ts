import { describe, expect, test } from "vitest";
import { findTask } from "../../src/tasks/index.js";
import type { Grader, GradingMode, TaskItem } from "../../src/tasks/task.js";
import { hasShared, readCases, shared } from "../fixtures/shared.js";

interface Case {
  id: string;
  kind: string;
  model_output_or_answer: string;
  gold: string;
  expected_equivalent: boolean;
  contested: boolean | null;
  choices?: string[] | null;
  verdicts: Record<string, { correct: boolean } | string | null>;
}

function itemOf({ id, gold, choices }: Case): TaskItem {
  return { id, prompt: "", gold, ...(choices && { choices }) };
}

async function grade(grader: Grader, row: Case) {
  const form = row.kind === "answer" ? "answer" : "output";
  return grader.grade(itemOf(row), row.model_output_or_answer, form);
}

/** The ids of the uncontested cases that come out otherwise than expected. */
async function misjudged(task: string, file: string): Promise<string[]> {
  await using grader = await (await findTask(task)).openGrader();
  const ids: string[] = [];
  for (const row of readCases<Case>(file)) {
    const { correct } = await grade(grader, row);
    if (row.contested === false && correct !== row.expected_equivalent) ids.push(row.id);
  }
  return ids;
}

/** Whether a correct answer is one, and a wrong one isn't: [answer, gold, verdict]. */
async function expectVerdicts(
  task: string,
  mode: GradingMode,
  rows: readonly (readonly [string, string, boolean])[],
): Promise<void> {
  await using grader = await (await findTask(task)).openGrader({ mode });
  for (const [text, gold, correct] of rows) {
    const verdict = await grader.grade({ id: "x", prompt: "", gold }, text);
    expect([text, gold, verdict.correct]).toEqual([text, gold, correct]);
  }
}

describe.skipIf(!hasShared)("the shared grader cases (LLAMA_ETS_SHARED)", () => {
  test.each([
    ["gsm8k", "gsm8k_extraction"],
    ["gpqa", "gpqa_letter"],
    ["math500", "math_equivalence"],
  ])("every uncontested case of %s is graded as expected", async (task, file) => {
    expect(await misjudged(task, `${file}.jsonl`)).toEqual([]);
    expect(await misjudged(task, `${file}-2.jsonl`)).toEqual([]);
  });

  // Contested: a unit in \mbox is a unit, and "3, 5, and 7" is 3, 5, 7 (docs/grading.md).
  test.each(["math-0395", "math-0550"])("%s is taken as right", async (id) => {
    const row = readCases<Case>("math_equivalence.jsonl").find((one) => one.id === id) as Case;
    await using grader = await (await findTask("math500")).openGrader();
    expect((await grade(grader, row)).correct).toBe(true);
  });

  test("compat GSM8K scores as lm-evaluation-harness did on every case", async () => {
    await using grader = await (await findTask("gsm8k")).openGrader({ mode: "compat" });
    for (const row of readCases<Case>("gsm8k_extraction.jsonl")) {
      const { correct } = row.verdicts.lm_eval_flexible as { correct: boolean };
      expect([row.id, (await grade(grader, row)).correct]).toEqual([row.id, correct]);
    }
  });

  test.each([
    ["gsm8k", "gsm8k/test.jsonl", 1319],
    ["math500", "math500/test.jsonl", 500],
  ])("all golds of %s are right against themselves", async (name, file, count) => {
    const task = await findTask(name);
    const items = await task.load(shared("data", file));
    expect(items).toHaveLength(count);
    await using grader = await task.openGrader();
    for (const item of items) {
      expect([item.id, (await grader.grade(item, item.gold, "answer")).correct]).toEqual([
        item.id,
        true,
      ]);
    }
  });

  test("GPQA's CSV is read by column, and each right answer stands at its letter", async () => {
    const items = await (await findTask("gpqa")).load(shared("data", "gpqa/gpqa_made_up.csv"));
    expect(items).toHaveLength(5);
    const rights = items.map(({ gold, choices }) => choices?.["ABCD".indexOf(gold)]);
    expect(rights).toEqual(["2 s", "2/3", "3", "5, with (0, 1)", "4"]);
    expect(new Set(items.map(({ gold }) => gold)).size).toBeGreaterThan(1);
  });
});

describe("fair grading", () => {
  test("compares numbers as numbers", () =>
    expectVerdicts("gsm8k", "fair", [
      ["#### 18.00", "18", true],
      ["The answer is $1,450,000.", "1450000", true],
      ["#### 18\nSo that is 20 in all.", "18", true],
      ["#### 180", "18", false],
      ["no idea", "18", false],
    ]));

  test("compares mathematics as mathematics", () =>
    expectVerdicts("math500", "fair", [
      // First, as the algebra system would take a for a function from then on.
      ["\\boxed{a(b+c)}", "ab+ac", true],
      ["\\boxed{(a+b)^2}", "a^2+2ab+b^2", true],
      ["\\boxed{\\frac{1}{\\sqrt{3}}}", "\\frac{\\sqrt{3}}{3}", true],
      ["\\boxed{(x-2)(x+2)}", "x^2-4", true],
      ["\\boxed{(x-2)(x+1)}", "x^2-4", false],
      ["\\boxed{[0,1)}", "(0,1)", false],
      ["\\boxed{\\{2,1\\}}", "\\{1,2\\}", true],
      ["\\boxed{y-2x=3}", "y=2x+3", true],
      ["\\boxed{y-2x=4}", "y=2x+3", false],
      ["\\boxed{99999999999}", "100000000000", false],
      ["\\boxed{1} or rather \\boxed{2}", "1", false],
    ]));

  test("gives up on what takes too long, and goes on with the next", () =>
    expectVerdicts("math500", "fair", [
      ["\\boxed{100000!^{100000!}}", "1", false],
      ["\\boxed{\\sqrt{12}}", "2\\sqrt{3}", true],
    ]));

  test("finds the letter that is chosen, not one that is mentioned", () =>
    expectVerdicts("gpqa", "fair", [
      ["A and B are wrong. The answer is (C).", "C", true],
      ["A and B are wrong. The answer is (C).", "B", false],
      ["Answer: A\nNo: Answer: D", "D", true],
      ["A cat", "A", false],
    ]));
});

test("compat keeps the misjudgements it stands for", async () => {
  await expectVerdicts("gsm8k", "compat", [["#### 18.0", "18", false]]);
  await expectVerdicts("gpqa", "compat", [["The answer is C.", "C", false]]);
  await expectVerdicts("math500", "compat", [["\\boxed{3}", "3", false]]);
});
