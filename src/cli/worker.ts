import { Command } from "commander";
import { addModelOptions, type ModelFlags } from "./model-options.js";
import { numberOption } from "./numbers.js";

export interface WorkerFlags extends ModelFlags {
  queue: string;
  proposal?: string;
  reward?: string;
  task?: string;
  concurrency?: number;
}

export function workerCommand(): Command {
  const command = new Command("worker")
    .description("Draw samples for evaluations on other machines (eval --queue), until stopped.")
    .requiredOption("--queue <url>", "redis://host:6379");
  return addModelOptions(command)
    .option("--proposal <model>", "ets-is: the smaller model that draws the rollouts")
    .option("--reward <reward>", "as the evaluation has it (default: self-consistency)")
    .option("--task <module:FILE>", "a task of your own, as the evaluation has it")
    .option("--concurrency <n>", "runs side by side, decoded together (default: 1)", numberOption)
    .action(async (flags: WorkerFlags) => {
      const { work } = await import("./run-worker.js");
      await work(flags);
    });
}
