import type { Command } from "commander";
import { GRADING_MODES, type GradingMode } from "../../tasks/task.js";
import { interruptSignal } from "../exit.js";
import { printable } from "../printable.js";

interface RegradeFlags {
  task?: string;
  data?: string;
  mode?: GradingMode;
  grader?: string;
  allowCodeExecution?: boolean;
  json?: boolean;
}

export function regradeCommand(command: Command): Command {
  return command
    .argument("<directory>", "a run directory, as eval --out wrote it")
    .option("--task <module:FILE>", "the task, where its file lies elsewhere now")
    .option("--data <file>", "the run's data, where it lies elsewhere now")
    .option("--mode <mode>", `${GRADING_MODES.join(", ")} (default: the run's)`)
    .option(
      "--grader <judge>",
      "judge:GGUF, an instruct model; task: the task's own (default: the run's)",
    )
    .option("--allow-code-execution", "let graders run generated programs, in a sandbox")
    .option("--json", "print the summary and what changed as one JSON object")
    .action(run);
}

async function run(directory: string, { json, ...flags }: RegradeFlags): Promise<void> {
  const { regrade } = await import("../../evaluate/regrade.js");
  const result = await regrade(directory, { ...flags, signal: interruptSignal() });
  if (json) {
    console.log(JSON.stringify(result));
    return;
  }
  const { summary, changed, graded } = result;
  for (const { item, method, sample, correct } of changed) {
    const which = sample === 0 ? "" : ` (sample ${sample})`;
    console.log(printable(`${item} ${method}${which}: ${correct ? "right" : "wrong"} now`));
  }
  for (const [name, { accuracy, n }] of Object.entries(summary.methods)) {
    const share = accuracy === null ? "none graded" : `${(100 * accuracy).toFixed(1)}% of ${n}`;
    console.log(printable(`${name}: ${share}`));
  }
  console.log(`${graded} samples graded, ${changed.length} verdicts changed, in ${directory}`);
}
