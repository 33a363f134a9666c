/**
 * AIME: competition problems whose answers are integers from 0 to 999. Their owner, the MAA, licenses no
 * copies, so users bring their own file. Each row has a problem and its answer.
 */
import { idOf, needColumn } from "./columns.js";
import { defineTask } from "./define-task.js";
import { normalise } from "./math/normalise.js";
import { extractMath, openMathGrader } from "./math500.js";

/** AIME: competition problems with integer answers from 0 to 999. The user provides the file of items. */
export const aime = defineTask({
  name: "aime",
  extract(text) {
    const answer = extractMath(text);
    return answer === null ? null : plainInteger(normalise(answer));
  },
  parse(row) {
    const column = needColumn(row, "answer", {});
    const gold = row.scalar(column).trim();
    if (!/^\d{1,3}$/.test(gold)) row.refuse(column, "be an integer from 0 to 999");
    return {
      id: idOf(row, "aime", {}),
      prompt: row.text(needColumn(row, "question", {})),
      gold: plainInteger(gold),
    };
  },
  prompt({ prompt }, form) {
    if (form === "paper")
      return { prompt: `Question: ${prompt}\nAnswer:`, raw: true, stop: ["Question:"] };
    const how =
      "Reason step by step, and put your final answer, an integer from 0 to 999, within \\boxed{}.";
    return { prompt: `${prompt}\n\n${how}`, raw: false, stop: [] };
  },
  /** Opens the grader of MATH-500, for which 073 equals 73. */
  async openGrader(options = {}) {
    const grader = await openMathGrader(options);
    return {
      wantedGold: ({ gold }) =>
        /^\s*\d{1,3}\s*$/.test(gold) ? null : "be an integer from 0 to 999",
      async grade(item, text, form = "output") {
        const found = form === "answer" || options.mode === "compat" ? text : extractMath(text);
        if (found === null) return { extracted: null, correct: false };
        const isExtracted = form === "answer" || options.mode !== "compat";
        return grader.grade(
          { ...item, gold: plainInteger(item.gold.trim()) },
          isExtracted ? plainInteger(found) : found,
          isExtracted ? "answer" : "output",
        );
      },
      [Symbol.asyncDispose]: () => grader[Symbol.asyncDispose](),
    };
  },
});

/** Removes leading zeros: answer sheets ask for three digits, so 073 means 73. */
function plainInteger(text: string): string {
  return text.replace(/^\s*0+(?=\d+\s*$)/, "");
}
