import { Command } from "commander";
import { taskNames } from "../tasks/index.js";
import { type AskFlags, METHOD_NAMES } from "./ask-flags.js";
import { addMethodOptions } from "./method-flags.js";
import { addModelOptions } from "./model-options.js";
import { numberOption } from "./numbers.js";

export function askCommand(): Command {
  const command = new Command("ask")
    .description("Answer one question by guided sampling.")
    .argument("[prompt]", "the question; - or nothing reads it from standard input");
  addModelOptions(command).option("--method <name>", METHOD_NAMES.join(", "), "ets");
  addMethodOptions(command)
    .option(
      "--task <name>",
      `how answers are found: ${taskNames().join(", ")}, module:FILE (default: any form)`,
    )
    .option("--seed <n>", "the same seed gives the same answer (default: 0)", numberOption)
    .option("-v, --verbose", "print the plan before work starts: context, memory, tokens")
    .option("--json", "print the whole result as one JSON object")
    .option("-q, --quiet", "print the answer's text alone")
    .option("--trace <file>", "write the run, every candidate and rollout, as JSON")
    .option("--report <file>", "write how the answer was found, as one HTML page")
    .action(async (prompt: string | undefined, flags: AskFlags) => {
      const { ask } = await import("./run-ask.js");
      await ask(prompt, flags);
    });
  return command;
}
