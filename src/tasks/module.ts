import path from "node:path";
import { pathToFileURL } from "node:url";
import { LlamaEtsError, messageOf } from "../engine/errors.js";
import { lacksOfTask, type Task } from "./task.js";

/**
 * Loads a task from a JavaScript module, whose default export is what `defineTask` returns. The
 * module runs with the rights of this process. Throws `ERR_INVALID_OPTION`.
 */
export async function loadTaskModule(file: string): Promise<Task> {
  let exported: unknown;
  try {
    exported = (await import(pathToFileURL(path.resolve(file)).href)).default;
  } catch (error) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `Could not load the task ${file}: ${messageOf(error)}`,
      { cause: error },
    );
  }
  const missing = lacksOfTask(exported);
  if (missing.length === 0) return exported as Task;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    `Expected ${file} to export a task as its default, got one without ${missing.join(", ")}`,
    { fix: 'export default defineTask({ … }), with defineTask from "llama-ets" (docs/tasks.md)' },
  );
}
