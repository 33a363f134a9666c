/** Finds the questions of a run's items. The samples of a run don't contain them. */
import { stat } from "node:fs/promises";
import { findTask, isBuiltIn } from "../../tasks/index.js";
import { readQuestions } from "../store/questions.js";
import type { EvaluationRun } from "../store/read-run.js";
import { canonicalJson, sha256 } from "../store/sample-key.js";

const MAX_BYTES = 256 * 2 ** 20;

/**
 * Returns the questions by item, read from the run's data file. The result is empty if the file has moved or
 * changed. Nothing is downloaded. A task module of a user is not loaded, because that runs code; the
 * questions of such a task are in the run directory.
 */
async function questionsOf({ directory, run }: RunOf): Promise<Map<string, string>> {
  const { task, data } = run;
  if (!isBuiltIn(task)) return readQuestions(directory);
  try {
    const items = await loadLocally(task, data.path);
    if (sha256(canonicalJson(items)) !== data.sha256) return new Map();
    return new Map(items.map(({ id, prompt }) => [id, prompt]));
  } catch {
    return new Map(); // the data was moved or can't be read, so the report shows no questions
  }
}

type RunOf = Pick<EvaluationRun, "directory" | "run">;

/** As `questionsOf`, for several runs. */
export async function questionsOfAll(runs: readonly RunOf[]): Promise<Map<string, string>> {
  const questions: [string, string][] = [];
  for (const run of runs) questions.push(...(await questionsOf(run)));
  return new Map(questions);
}

/** Loads the items without a download. `path` is the task's name if the run used the task's own data. */
async function loadLocally(task: string, path: string) {
  const { load } = await findTask(task);
  if (path === task) return load(undefined, { download: false });
  const file = await stat(path);
  if (!file.isFile() || file.size > MAX_BYTES) throw new Error(`${path} is no data file`);
  return load(path);
}
