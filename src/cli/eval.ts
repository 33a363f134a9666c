import { Command } from "commander";
import { taskNames } from "../tasks/index.js";
import { METHOD_NAMES } from "./ask-flags.js";
import { addMethodOptions, type MethodFlags } from "./method-flags.js";
import { addModelOptions } from "./model-options.js";
import { numberOption } from "./numbers.js";

export interface EvalFlags extends MethodFlags {
  methods: string;
  out: string;
  resume?: boolean;
  data?: string;
  limit?: number;
  samples?: number;
  seed?: number;
  mode?: string;
  form?: string;
  allowCodeExecution?: boolean;
  concurrency?: number;
  queue?: string;
  json?: boolean;
}

export function evalCommand(): Command {
  const command = new Command("eval")
    .description("Evaluate methods on a task, into a run directory that can be resumed.")
    .argument("<task>", `${taskNames().join(", ")} or module:FILE`)
    .requiredOption("--out <dir>", "the run directory: run.json, samples.jsonl, summary.json")
    .option("--resume", "go on with the run in --out: what is there is not drawn again")
    .option(
      "--methods <names>",
      `${METHOD_NAMES.join(",")}; ets:M=4:K=2 sets options of one alone`,
      "sample,majority,best-of-n,ets",
    )
    .option("--data <file>", "the items: .jsonl, .jsonl.gz or .csv (default: the task's own)")
    .option("--limit <n>", "the first n items only", numberOption)
    .option("--samples <n>", "samples of each item and method (default: 1)", numberOption)
    .option(
      "--seed <n>",
      "seed of the run, of which each sample's derives (default: 0)",
      numberOption,
    )
    .option("--mode <mode>", "how answers are graded: fair, compat (default: fair)")
    .option("--form <form>", "prompts: chat, or paper's few-shot texts (default: chat)")
    .option("--allow-code-execution", "let graders run generated programs, in a sandbox")
    .option(
      "--concurrency <n>",
      "runs side by side, decoded together, as memory allows (default: 1)",
      numberOption,
    )
    .option("--queue <url>", "redis://host:6379, whose workers draw the samples");
  return addMethodOptions(addModelOptions(command))
    .option("--json", "print the summary as one JSON object")
    .action(async (task: string, flags: EvalFlags) => {
      const { runEval } = await import("./run-eval.js");
      await runEval(task, flags);
    });
}
