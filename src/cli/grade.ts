import { Command } from "commander";
import { taskNames } from "../tasks/index.js";

export interface GradeFlags {
  mode: string;
  data?: string;
  allowCodeExecution?: boolean;
}

export function gradeCommand(): Command {
  return new Command("grade")
    .description("Grade outputs made elsewhere: one JSON verdict a line, in the rows' order.")
    .argument("<task>", `${taskNames().join(", ")}, module:FILE`)
    .argument(
      "<file>",
      ".jsonl, .jsonl.gz or .csv of rows {id?, output | answer, gold, choices?}; humaneval {task_id, completion}; - reads JSON lines from standard input",
    )
    .option("--mode <mode>", "fair, or compat with lm-evaluation-harness", "fair")
    .option("--data <file>", "the task's data, for rows that name its items")
    .option("--allow-code-execution", "let humaneval run the programs, in a sandbox")
    .action(async (task: string, file: string, flags: GradeFlags) => {
      const { grade } = await import("./run-grade.js");
      await grade(task, file, flags);
    });
}
