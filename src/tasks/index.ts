/** The tasks by name. */
import { checkOneOf, checkString } from "../engine/check.js";
import { gpqa } from "./gpqa.js";
import { gsm8k } from "./gsm8k.js";
import { humaneval } from "./humaneval.js";
import { ifeval } from "./ifeval.js";
import { math500 } from "./math500.js";
import { miniGsm } from "./mini-gsm.js";
import { loadTaskModule } from "./module.js";
import type { Task } from "./task.js";

const TASKS: readonly Task[] = [miniGsm, gsm8k, math500, gpqa, humaneval, ifeval];
const MODULE = "module:";

export function taskNames(): string[] {
  return TASKS.map(({ name }) => name);
}

/**
 * The task of a name, or of a `module:FILE`. Throws `ERR_INVALID_OPTION` for a name that is none
 * and for a module without a task.
 */
export async function findTask(name: string): Promise<Task> {
  if (checkString("task", name).startsWith(MODULE))
    return loadTaskModule(name.slice(MODULE.length));
  checkOneOf("task", name, [...taskNames(), `${MODULE}FILE`]);
  return TASKS.find((task) => task.name === name) as Task;
}
