/** The bundled task of the bundled models: word problems in GSM8K's format. */
import { packageFile } from "../engine/package-files.js";
import { canonicalAnswer } from "../rewards/answer.js";
import { defineTask } from "./define-task.js";

const BUNDLED = packageFile("models/mini-gsm-test.jsonl");

/** Extracts the number of `#### 18`, which ends a solution in GSM8K. The first such line counts. */
function extract(text: string): string | null {
  const line = /####([^\n]*)/.exec(text)?.[1] ?? "";
  return /^[ \t]*(-?[\d.,]*\d)/.exec(line)?.[1] ?? null;
}

/** The 1,000 word problems of the package for its bundled models. */
export const miniGsm = defineTask({
  name: "mini-gsm",
  extract,
  answerEnd: { mark: "####", end: "\n" },
  locate: () => BUNDLED,
  parse(row) {
    const prompt = row.text("question");
    const gold = extract(row.string("answer")) ?? row.refuse("answer", "end with `#### number`");
    return { id: `mini-gsm/${row.line}`, prompt, gold: canonicalAnswer(gold) };
  },
});
