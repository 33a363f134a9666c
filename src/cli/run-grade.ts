import { once } from "node:events";
import { checkOneOf } from "../engine/check.js";
import { gradeRows, itemsById, type RowVerdict } from "../tasks/grade-rows.js";
import { findTask } from "../tasks/index.js";
import { Interrupted } from "./exit.js";
import type { GradeFlags } from "./grade.js";

export async function grade(name: string, file: string, flags: GradeFlags): Promise<void> {
  const mode = checkOneOf("--mode", flags.mode, ["fair", "compat"] as const);
  const task = await findTask(name);
  const interrupt = new AbortController();
  const onInterrupt = () => interrupt.abort(new Interrupted());
  process.once("SIGINT", onInterrupt);
  process.once("SIGTERM", onInterrupt);
  const { signal } = interrupt;
  const allowCodeExecution = flags.allowCodeExecution ?? false;
  await using grader = await task.openGrader({ mode, allowCodeExecution, signal });
  const items = await itemsById(task, flags.data, { signal });
  if (grader.isolation !== undefined) console.error(`Programs run in ${grader.isolation}.`);
  for await (const verdict of gradeRows(grader, file, items)) {
    signal.throwIfAborted();
    await writeLine(JSON.stringify(shown(verdict)));
    // The reader has seen enough.
    if (process.stdout.destroyed) return;
  }
}

async function writeLine(line: string): Promise<void> {
  if (process.stdout.write(`${line}\n`)) return;
  const { stdout } = process;
  await Promise.race([once(stdout, "drain"), once(stdout, "close")]).catch(() => {});
}

/** A program is long; what matters of it is how it ended. */
function shown({ id, extracted, correct, result }: RowVerdict): object {
  return result === undefined ? { id, extracted, correct } : { id, result };
}
