import type { Command } from "commander";
import { given } from "../../engine/given.js";
import { Interrupted, interruptSignal } from "../exit.js";
import { collectTexts } from "../method-flags.js";
import {
  addModelOptions,
  isolatingOwn,
  loadNamedModel,
  loadOtherModel,
  type ModelFlags,
  proposalSource,
} from "../model-flags.js";
import { numberOption } from "../numbers.js";

interface WorkerFlags extends ModelFlags {
  queue: string;
  proposal?: string;
  reward?: string;
  potential?: string[];
  task?: string;
  concurrency?: number;
}

export function workerCommand(command: Command): Command {
  command.requiredOption("--queue <url>", "redis://host:6379");
  return addModelOptions(command)
    .option("--proposal <model>", "ets-is: the smaller model that draws the rollouts")
    .option("--reward <reward>", "as the evaluation has it (default: self-consistency)")
    .option(
      "--potential <potential>",
      "a potential, or a reward of one method alone, that the evaluation names; may be given several times",
      collectTexts,
    )
    .option(
      "--task <task>",
      "a task of your own (module:FILE), or one with a template, as the evaluation has it",
    )
    .option("--concurrency <n>", "runs side by side, decoded together (default: 1)", numberOption)
    .action(work);
}

async function work(flags: WorkerFlags): Promise<void> {
  const { openWorker } = await import("../../evaluate/queue/worker.js");
  const signal = interruptSignal();
  const { queue, reward, potential: potentials, task, concurrency } = flags;
  let drawn = 0;
  try {
    await using worker = await openWorker({
      queue,
      signal,
      ...given({ reward, potentials, task, concurrency }),
      onSample: ({ item, method, error }) => {
        drawn++;
        if (error !== undefined) console.error(`${item} ${method}: ${error}`);
      },
      onWarning: (message) => console.error(message),
      onConnection: (isConnected) =>
        console.error(isConnected ? "Redis is back" : "Redis is lost; trying again"),
    });
    const models = isolatingOwn(flags);
    await using model = await loadNamedModel(models, signal);
    const source = proposalSource(flags);
    await using proposal =
      source === undefined ? null : await loadOtherModel(models, source, signal);
    console.error(`Waiting for samples to draw with ${model.path}; Ctrl-C ends it`);
    await worker.run(model, proposal);
  } catch (error) {
    if (error instanceof Interrupted) {
      console.error(`Stopped after ${drawn} samples; what was under way is back on the queue.`);
    }
    throw error;
  }
}
