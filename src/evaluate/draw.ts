/** Draws the jobs of an evaluation, in this process or on the workers of a queue. */
import type { Model } from "../engine/engine.js";
import { DEFAULT_REWARD } from "../rewards/named.js";
import type { Reward } from "../rewards/reward.js";
import type { Task } from "../tasks/task.js";
import { type ConfiguredMethod, namedIn } from "./configured-methods.js";
import type { DrawRequest } from "./draw-sample.js";
import type { ResolvedOptions } from "./evaluate-options.js";
import type { DrawJob } from "./jobs.js";
import { drawLocally } from "./local-executor.js";
import type { ProgressCount } from "./progress.js";
import type { Kept, RunRecord } from "./store/run-files.js";

/** The jobs of an evaluation, and what draws them. */
export interface Drawing {
  /** The batches are drawn one after another, because later batches may depend on earlier outcomes. */
  request: Pick<DrawRequest, "onOutcome"> & { batches: Iterable<readonly DrawJob[]> };
  model: Model;
  task: Task;
  run: Pick<RunRecord, "model" | "proposal">;
  methods: readonly ConfiguredMethod[];
  resolved: ResolvedOptions;
  /** The rewards and potentials that this process uses, by their names. */
  judges: ReadonlyMap<string, Reward>;
  count: ProgressCount;
}

/** Draws all batches. Rejects as the executors do. */
export async function draw({
  request,
  model,
  task,
  run,
  methods,
  resolved,
  judges,
  count,
}: Drawing): Promise<void> {
  const { batches, onOutcome } = request;
  const { proposal, form, reward, queue, signal, onWarning, concurrency, out } = resolved;
  if (queue === undefined) {
    for (const jobs of batches) {
      await drawLocally(
        { jobs, onOutcome },
        {
          model,
          proposal,
          task,
          form,
          signal,
          onWarning,
          concurrency,
          reward: reward === DEFAULT_REWARD ? undefined : judges.get(reward),
          named: judges,
          keep: keptOf(task, resolved.keep),
          onTokens: (key, generated) => count.onTokens(key, generated),
        },
      );
    }
    return;
  }
  const { drawOnQueue } = await import("./queue/executor.js");
  const needsProposal = methods.some((method) => method.needsProposal);
  const work = {
    task: task.name,
    form,
    reward,
    model: run.model.sha256,
    keep: keptOf(task, resolved.keep),
    potentials: namedIn(methods),
    proposal: needsProposal ? (run.proposal?.sha256 ?? null) : null,
  };
  for (const jobs of batches) {
    await drawOnQueue({ jobs, onOutcome }, { url: queue, work, directory: out, signal, onWarning });
  }
}

/**
 * Returns what is kept. By default a task that runs programs keeps no texts, because each text would cost a
 * program run.
 */
function keptOf({ runsCode }: Task, keep: Kept | undefined): Kept {
  return keep ?? (runsCode ? "none" : "texts");
}
