/** The bundled task of the bundled models: word problems in GSM8K's format. */
import { fileURLToPath } from "node:url";
import { canonicalAnswer } from "../rewards/answer.js";
import { defineTask } from "./define-task.js";

const BUNDLED = fileURLToPath(new URL("../../models/mini-gsm-test.jsonl", import.meta.url));

/** `#### 18`, as GSM8K ends its solutions. */
function extract(text: string): string | null {
  return [...text.matchAll(/####[ \t]*(-?[\d.,]*\d)/g)].at(-1)?.[1] ?? null;
}

export const miniGsm = defineTask({
  name: "mini-gsm",
  extract,
  // A line after the answer's: its digits are all there.
  isFinal: (text) => /####[ \t]*-?[\d.,]*\d[ \t]*\n/.test(text),
  locate: () => BUNDLED,
  parse(row) {
    const prompt = row.text("question");
    const gold = extract(row.string("answer")) ?? row.refuse("answer", "end with `#### number`");
    return { id: `mini-gsm/${row.line}`, prompt, gold: canonicalAnswer(gold) };
  },
});
