/** The bundled task of the bundled models: word problems in GSM8K's format. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { LlamaEtsError, messageOf } from "../engine/errors.js";
import { canonicalAnswer } from "../rewards/answer.js";
import type { Task, TaskItem } from "./task.js";

const BUNDLED = fileURLToPath(new URL("../../models/mini-gsm-test.jsonl", import.meta.url));

/** `#### 18`, as GSM8K ends its solutions. */
function extract(text: string): string | null {
  return [...text.matchAll(/####[ \t]*(-?[\d.,]*\d)/g)].at(-1)?.[1] ?? null;
}

export const miniGsm: Task = {
  name: "mini-gsm",
  extract,
  // A line after the answer's: its digits are all there.
  isFinal: (text) => /####[ \t]*-?[\d.,]*\d[ \t]*\n/.test(text),

  async load(file = BUNDLED) {
    const content = await readFile(file, "utf8");
    return content
      .split("\n")
      .map((line, i) => [line, i + 1] as const)
      .filter(([line]) => line.trim() !== "")
      .map(([line, number]) => parseRow(file, line, number));
  },
};

function parseRow(file: string, line: string, number: number): TaskItem {
  const refuse = (what: string): never => {
    throw new LlamaEtsError("ERR_INVALID_DATA", `${file}, line ${number}: ${what}`);
  };
  let row: unknown;
  try {
    row = JSON.parse(line);
  } catch (error) {
    return refuse(`expected JSON: ${messageOf(error)}`);
  }
  const { question, answer } = (row ?? {}) as Record<string, unknown>;
  if (typeof question !== "string") return refuse("expected `question` to be a string");
  if (typeof answer !== "string") return refuse("expected `answer` to be a string");
  const gold = extract(answer);
  if (gold === null) return refuse("expected `answer` to end with `#### number`");
  return { id: `mini-gsm/${number}`, prompt: question, gold: canonicalAnswer(gold) };
}
