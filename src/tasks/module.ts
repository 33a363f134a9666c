import { LlamaEtsError, messageOf } from "../engine/errors.js";
import { fixOfModule, importDefault } from "../engine/load-module.js";
import { lacksOfTask, type Task } from "./task.js";

const files = new WeakMap<Task, string>();

/** The file that a task was loaded from; undefined for those that weren't. */
export function fileOfTask(task: Task): string | undefined {
  return files.get(task);
}

/**
 * Loads a task from a JavaScript module, whose default export is what `defineTask` returns. The
 * module runs with the rights of this process. Throws `ERR_INVALID_OPTION`.
 */
export async function loadTaskModule(file: string): Promise<Task> {
  let exported: unknown;
  try {
    exported = await importDefault(file);
  } catch (error) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `Could not load the task ${file}: ${messageOf(error)}`,
      { cause: error, ...fixOfModule(file, error) },
    );
  }
  const missing = lacksOfTask(exported);
  if (missing.length === 0) {
    files.set(exported as Task, file);
    return exported as Task;
  }
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    `Expected ${file} to export a task as its default, got one without ${missing.join(", ")}`,
    { fix: 'export default defineTask({ … }), with defineTask from "llama-ets" (docs/tasks.md)' },
  );
}
