import type { Command } from "commander";
import { given } from "../../engine/given.js";
import { findTask, TASK_SPECS } from "../../tasks/index.js";
import { interruptSignal } from "../exit.js";
import { numberOption } from "../numbers.js";
import { printable } from "../printable.js";

interface CheckFlags {
  data?: string;
  shown?: number;
  json?: boolean;
}

export function taskCommand(command: Command): Command {
  command
    .command("check")
    .description(
      "Show items, prompts and verdicts on known answers; exits with 1 where a verdict is wrong.",
    )
    .argument("<task>", `${TASK_SPECS} or FILE.mjs`)
    .option(
      "--data <file>",
      "the items: .jsonl, .json, .csv, .tsv (perhaps .gz) or .parquet (default: the task's own)",
    )
    .option("--shown <n>", "items that are shown (default: 3)", numberOption)
    .option("--json", "print one JSON object")
    .action(check);
  return command;
}

async function check(name: string, { data, shown, json }: CheckFlags): Promise<void> {
  const { inspectTask } = await import("../../tasks/check-task.js");
  const isFile = /\.[cm]?js$/.test(name) && !name.startsWith("module:");
  const task = await findTask(isFile ? `module:${name}` : name);
  const report = await inspectTask(task, {
    ...given({ data, shown }),
    signal: interruptSignal(),
  });
  if (report.problems.length > 0) process.exitCode = 1;
  if (json) {
    console.log(JSON.stringify(report));
    return;
  }
  const lines = [`${report.name}: ${report.items} ${report.items === 1 ? "item" : "items"}`];
  for (const { id, gold, prompt, answers } of report.shown) {
    lines.push("", `item   ${id}`, `gold   ${onOneLine(gold)}`);
    for (const text of promptTexts(prompt.prompt)) lines.push(`asked  ${text}`);
    for (const { what, verdict } of answers) {
      const grade = verdict.correct ? "right" : "wrong";
      lines.push(`${grade}  ${what} (found: ${onOneLine(verdict.extracted ?? "none")})`);
    }
  }
  lines.push("", ...report.problems.slice(0, MAX_PROBLEMS));
  if (report.problems.length > MAX_PROBLEMS) {
    lines.push(`and ${report.problems.length - MAX_PROBLEMS} more`);
  }
  if (report.problems.length === 0) lines.push("No fault found.");
  console.log(printable(lines.join("\n")));
}

/** Joins several right answers, which come one per line. */
function onOneLine(answers: string): string {
  return answers.replaceAll("\n", " | ");
}

const MAX_PROBLEMS = 20;

function promptTexts(prompt: string | { role: string; content?: unknown }[]): string[] {
  if (typeof prompt === "string") return [prompt];
  return prompt.map(({ role, content }) =>
    typeof content === "string" ? `${role}: ${content}` : `${role}: ${JSON.stringify(content)}`,
  );
}
