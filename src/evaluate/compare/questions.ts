/** The questions of a run's items, which its samples don't repeat. */
import { stat } from "node:fs/promises";
import { findTask, isBuiltIn } from "../../tasks/index.js";
import { readQuestions } from "../store/questions.js";
import type { EvaluationRun } from "../store/read-run.js";
import { canonicalJson, sha256 } from "../store/sample-key.js";

const MAX_BYTES = 256 * 2 ** 20;

/**
 * Questions by item, from the data that the run names if it is still there and unchanged; none
 * otherwise. Nothing is downloaded. A task of a user's own module is not loaded, as that runs code: its run
 * directory has the questions.
 */
async function questionsOf({ directory, run }: RunOf): Promise<Map<string, string>> {
  const { task, data } = run;
  if (!isBuiltIn(task)) return readQuestions(directory);
  try {
    const items = await loadLocally(task, data.path);
    if (sha256(canonicalJson(items)) !== data.sha256) return new Map();
    return new Map(items.map(({ id, prompt }) => [id, prompt]));
  } catch {
    return new Map(); // the data was moved or can't be read: the report does without
  }
}

type RunOf = Pick<EvaluationRun, "directory" | "run">;

/** As `questionsOf`, of several runs. */
export async function questionsOfAll(runs: readonly RunOf[]): Promise<Map<string, string>> {
  const questions: [string, string][] = [];
  for (const run of runs) questions.push(...(await questionsOf(run)));
  return new Map(questions);
}

/** `path` is the task's name where the run took the task's own data. */
async function loadLocally(task: string, path: string) {
  const { load } = await findTask(task);
  if (path === task) return load(undefined, { download: false });
  const file = await stat(path);
  if (!file.isFile() || file.size > MAX_BYTES) throw new Error(`${path} is no data file`);
  return load(path);
}
