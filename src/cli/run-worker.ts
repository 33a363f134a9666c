import { BUNDLED_PROPOSAL, DEFAULT_MODEL } from "../engine/bundled-models.js";
import { runWorker } from "../evaluate/queue/worker.js";
import { Interrupted, interruptSignal } from "./exit.js";
import { loadNamedModel } from "./load-named-model.js";
import type { WorkerFlags } from "./worker.js";

export async function work(flags: WorkerFlags): Promise<void> {
  const signal = interruptSignal();
  let drawn = 0;
  try {
    await using model = await loadNamedModel(flags, signal);
    const source = flags.proposal ?? (flags.model === DEFAULT_MODEL ? BUNDLED_PROPOSAL : undefined);
    await using proposal =
      source === undefined ? null : await loadNamedModel({ ...flags, model: source }, signal);
    console.error(`Waiting for samples to draw with ${model.path}; Ctrl-C ends it`);
    await runWorker(model, {
      ...{ queue: flags.queue, signal },
      ...(proposal && { proposal }),
      ...(flags.reward !== undefined && { reward: flags.reward }),
      ...(flags.task !== undefined && { task: flags.task }),
      ...(flags.concurrency !== undefined && { concurrency: flags.concurrency }),
      onSample: ({ item, method, error }) => {
        drawn++;
        if (error !== undefined) console.error(`${item} ${method}: ${error}`);
      },
      onWarning: (message) => console.error(message),
      onConnection: (isConnected) =>
        console.error(isConnected ? "Redis is back" : "Redis is lost; trying again"),
    });
  } catch (error) {
    if (error instanceof Interrupted) {
      console.error(`Stopped after ${drawn} samples; what was under way is back on the queue.`);
    }
    throw error;
  }
}
