/**
 * The questions of a task of one's own, kept in the run directory: whoever reports on a run loads no module
 * of it, since the directory may come from anywhere.
 */
import { stat } from "node:fs/promises";
import path from "node:path";
import { LlamaEtsError, messageOf } from "../../engine/errors.js";
import { readTextFile } from "../../engine/read-file.js";
import { writeWhole } from "../../engine/whole-file.js";
import type { TaskItem } from "../../tasks/task.js";

const QUESTIONS_FILE = "questions.jsonl";

/** Writes the items' questions beside those that are there. Throws `ERR_WRITE`. */
export async function keepQuestions(
  directory: string,
  items: readonly Pick<TaskItem, "id" | "prompt">[],
): Promise<void> {
  const questions = await readQuestions(directory);
  for (const { id, prompt } of items) questions.set(id, prompt);
  const lines = [...questions].map(([item, question]) => JSON.stringify({ item, question }));
  const file = path.join(directory, QUESTIONS_FILE);
  try {
    await writeWhole(file, `${lines.join("\n")}\n`);
  } catch (error) {
    throw new LlamaEtsError("ERR_WRITE", `${file} was not written: ${messageOf(error)}`, {
      fix: "an --out that can be written",
      cause: error,
    });
  }
}

/** Questions by item; none where the file isn't there, or is another one. */
export async function readQuestions(directory: string): Promise<Map<string, string>> {
  const file = path.join(directory, QUESTIONS_FILE);
  try {
    if (!(await stat(file)).isFile()) return new Map();
    const lines = (await readTextFile(file)).split("\n").filter((line) => line !== "");
    const entries = lines.map((line) => JSON.parse(line));
    return new Map(
      entries.flatMap(({ item, question }): [string, string][] =>
        typeof item === "string" && typeof question === "string" ? [[item, question]] : [],
      ),
    );
  } catch {
    return new Map(); // a report does without
  }
}
