/**
 * Keeps the questions of a custom task in the run directory. So a report needn't load the task's module,
 * which would run code of an untrusted directory.
 */
import { stat } from "node:fs/promises";
import path from "node:path";
import { LlamaEtsError, messageOf } from "../../engine/errors.js";
import { readTextFile } from "../../engine/read-file.js";
import { writeWhole } from "../../engine/whole-file.js";
import type { TaskItem } from "../../tasks/task.js";

const QUESTIONS_FILE = "questions.jsonl";

/** Adds the items' questions to the existing ones. Throws `ERR_WRITE`. */
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

/** Returns the questions by item; empty if the file is missing or has another format. */
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
    return new Map(); // the report then shows no questions
  }
}
