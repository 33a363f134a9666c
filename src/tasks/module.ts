import { LlamaEtsError } from "../engine/errors.js";
import { importDefault } from "../engine/load-module.js";
import { lacksOfTask, type Task } from "./task.js";

const files = new WeakMap<Task, string>();

/** Returns the file that a task was loaded from; undefined for other tasks. */
export function fileOfTask(task: Task): string | undefined {
  return files.get(task);
}

/**
 * Loads a task from a JavaScript module, whose default export must be a result of `defineTask`. The module
 * runs with the rights of this process. Throws `ERR_INVALID_OPTION`.
 */
export async function loadTaskModule(file: string): Promise<Task> {
  const exported = await importDefault(file, "task", "ERR_INVALID_OPTION");
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
