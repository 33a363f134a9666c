import { once } from "node:events";
import type { Command } from "commander";
import { checkOneOf } from "../../engine/check.js";
import { untilAborted } from "../../engine/until-aborted.js";
import type { RowVerdict } from "../../tasks/grade-rows.js";
import { findTask, TASK_SPECS } from "../../tasks/index.js";
import { GRADING_MODES } from "../../tasks/task.js";
import { hasReaderLeft, interruptSignal } from "../exit.js";

interface GradeFlags {
  mode: string;
  data?: string;
  grader?: string;
  allowCodeExecution?: boolean;
}

export function gradeCommand(command: Command): Command {
  return command
    .argument("<task>", TASK_SPECS)
    .argument(
      "<file>",
      ".jsonl, .json, .csv, .tsv or .parquet of rows {id?, output | answer, gold, choices?}; humaneval {task_id, completion}; ifeval {key, output | response}; - reads JSON lines from standard input",
    )
    .option("--mode <mode>", "fair, or compat with lm-evaluation-harness", "fair")
    .option("--grader <judge>", "judge:GGUF: an instruct model grades by the reference answer")
    .option("--data <file>", "the task's data, for rows that name its items")
    .option("--allow-code-execution", "let humaneval run the programs, in a sandbox")
    .action(grade);
}

async function grade(name: string, file: string, flags: GradeFlags): Promise<void> {
  const { checkJudge, openGraderBy } = await import("../../tasks/judge-grader.js");
  const { gradeRows, itemsById } = await import("../../tasks/grade-rows.js");
  const mode = checkOneOf("--mode", flags.mode, GRADING_MODES);
  const task = await findTask(name);
  const signal = interruptSignal();
  const allowCodeExecution = flags.allowCodeExecution ?? false;
  const judge = flags.grader === undefined ? undefined : checkJudge("grader", flags.grader);
  await using grader = await openGraderBy(judge, task, { mode, allowCodeExecution, signal });
  const items = await itemsById(task, flags.data, { signal });
  if (grader.isolation !== undefined) console.error(`Programs run in ${grader.isolation}.`);
  const verdicts = gradeRows(grader, file, items, task.rowKey, signal);
  try {
    while (!hasReaderLeft()) {
      const { done, value } = await untilAborted(() => verdicts.next(), signal);
      if (done) return;
      await writeLine(JSON.stringify(shown(value)));
    }
  } finally {
    // A generator that waits for its next line can't be ended, so the stream is destroyed. Nothing else reads
    // standard input.
    if (file === "-") process.stdin.destroy();
  }
}

async function writeLine(line: string): Promise<void> {
  if (process.stdout.write(`${line}\n`)) return;
  const { stdout } = process;
  await Promise.race([once(stdout, "drain"), once(stdout, "close")]).catch(() => {});
}

/** Returns what is shown of a verdict. For a program this is how it ended, because programs are long. */
function shown({ id, extracted, correct, result, strict, loose }: RowVerdict): object {
  if (strict !== undefined && loose !== undefined) {
    const prompt = { strict: correct, loose: loose.every((follows) => follows) };
    return { id, strict, loose, prompt, correct };
  }
  return result === undefined ? { id, extracted, correct } : { id, result };
}
