/** The tasks by name. */
import { checkOneOf } from "../engine/check.js";
import { miniGsm } from "./mini-gsm.js";
import type { Task } from "./task.js";

const TASKS: readonly Task[] = [miniGsm];

export function taskNames(): string[] {
  return TASKS.map(({ name }) => name);
}

/** Throws `ERR_INVALID_OPTION` for a name that is none. */
export function findTask(name: string): Task {
  checkOneOf("task", name, taskNames());
  return TASKS.find((task) => task.name === name) as Task;
}
