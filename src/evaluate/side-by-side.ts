/** Reserves memory for the concurrent runs of an evaluation. */
import type { Model } from "../engine/engine.js";
import { plan } from "../methods/plan.js";
import { METHODS } from "../methods/registry.js";
import { openRoom, type Room, type RunContexts } from "../planning/admission.js";
import type { Plan } from "../planning/run-plan.js";
import { namedPotential } from "../rewards/named.js";
import { promptOf } from "../tasks/task.js";
import { promptSettings, toMethodOptions } from "./configured-methods.js";
import type { DrawContext } from "./draw-sample.js";
import type { DrawJob } from "./jobs.js";

/**
 * Reserves memory for `asked` concurrent runs of the jobs, or for as many as fit (at least 1). Calls
 * `onWarning` if fewer fit. Throws `ERR_OUT_OF_MEMORY`.
 */
export async function openSideBySide(
  asked: number,
  jobs: readonly DrawJob[],
  { onWarning, ...context }: DrawContext & { onWarning?: ((message: string) => void) | undefined },
): Promise<Room> {
  const plans = asked > 1 ? await planLongest(jobs, context) : [];
  const runs = plans.map((planned) => contextsOf(planned, context));
  const room = await openRoom({ asked, runs, beside: modelsBeside(context) });
  if (room.limit !== null) {
    onWarning?.(`Concurrency is lowered from ${asked} to ${room.concurrency}: ${room.limit}`);
  }
  return room;
}

/** Returns the models of the rewards and potentials. */
function modelsBeside({ reward, named }: DrawContext): Model[] {
  const judges = [...(reward ? [reward] : []), ...(named?.values() ?? [])];
  return [...new Set(judges.flatMap(({ models = [] }) => models))];
}

function contextsOf(planned: Plan, { model, proposal }: DrawContext): RunContexts {
  return [
    { model, plan: planned.model },
    ...(proposal && planned.proposal ? [{ model: proposal, plan: planned.proposal }] : []),
  ];
}

/** Returns each method's job with the longest prompt, for which memory is reserved. */
export function longestJobs(jobs: readonly DrawJob[]): DrawJob[] {
  const longest = new Map<string, DrawJob>();
  for (const job of jobs) {
    const known = longest.get(job.name);
    if (known === undefined || job.item.prompt.length > known.item.prompt.length) {
      longest.set(job.name, job);
    }
  }
  return [...longest.values()];
}

async function planLongest(jobs: readonly DrawJob[], context: DrawContext): Promise<Plan[]> {
  const plans = await Promise.all(
    // the run itself will report the error
    longestJobs(jobs).map((job) => planJob(job, context).catch(() => null)),
  );
  return plans.filter((planned) => planned !== null);
}

/** Plans what a job's run will need. Throws as `plan` does. */
export async function planJob(
  { item, method, options }: DrawJob,
  { model, proposal, task, form }: Pick<DrawContext, "model" | "proposal" | "task" | "form">,
): Promise<Plan> {
  return plan(model, promptOf(task, item, form).prompt, {
    ...promptSettings(task, form, item, toMethodOptions(options, namedPotential)),
    method,
    ...(METHODS[method].proposal && proposal && { proposal }),
  });
}
