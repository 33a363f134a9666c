/**
 * How often a judge as a grader (`--grader judge:GGUF`) agrees with people's verdicts: the shared cases of
 * GSM8K, MATH and GPQA that are not contested, by the real model (`LLAMA_ETS_REAL_MODEL`).
 */
import { describe, expect, test } from "vitest";
import { findTask } from "../../src/tasks/index.js";
import { judgeGrader } from "../../src/tasks/judge-grader.js";
import { readCases } from "../fixtures/shared.js";
import { hasRealModel, useRealModel } from "../real/real-model.js";

/** Cases of a kind at the most: on one thread each takes about a second. */
const MAX_CASES = 120;
const KINDS = [
  ["gsm8k", "gsm8k_extraction-2.jsonl", "gsm8k_extraction.jsonl"],
  ["math500", "math_equivalence-2.jsonl", "math_equivalence.jsonl"],
  ["gpqa", "gpqa_letter-2.jsonl", "gpqa_letter.jsonl"],
] as const;

interface Case {
  model_output_or_answer: string;
  gold: string;
  choices?: string[];
  expected_equivalent: boolean;
  contested?: boolean;
}

describe.skipIf(!hasRealModel)("a judge as a grader", () => {
  const model = useRealModel();

  test.each(KINDS)("%s", async (name, ...files) => {
    const task = await findTask(name);
    const grader = judgeGrader(task, model());
    const cases = files
      .flatMap((file) => readCases(file) as unknown as Case[])
      .filter(({ contested }) => contested !== true)
      .slice(0, MAX_CASES);
    const counts = { right: { yes: 0, no: 0 }, wrong: { yes: 0, no: 0 } };
    for (const { model_output_or_answer: text, gold, choices, expected_equivalent } of cases) {
      const item = { id: "case", prompt: "", gold: String(gold), ...(choices && { choices }) };
      const { correct } = await grader.grade(item, text);
      counts[expected_equivalent ? "right" : "wrong"][correct ? "yes" : "no"]++;
    }
    const agreed = counts.right.yes + counts.wrong.no;
    console.log(`${name}: agrees on ${agreed} of ${cases.length}`, JSON.stringify(counts));
    expect(cases.length).toBeGreaterThan(0);
  });
});
