/** Draws samples in this process, several runs side by side: each has a context of its own. */
import { availableParallelism } from "node:os";
import { plan } from "../methods/plan.js";
import { promptSettings } from "./configured-methods.js";
import { type DrawContext, type DrawJob, drawSample, type Outcome } from "./draw-sample.js";

/** Share of the free memory that contexts may take together. */
const MEMORY_SHARE = 0.8;

export interface DrawRequest {
  jobs: readonly DrawJob[];
  /** Called with each job's outcome, and waited for. */
  onOutcome: (job: DrawJob, outcome: Outcome) => Promise<void>;
}

export interface LocalOptions extends DrawContext {
  concurrency: number;
  onWarning: ((message: string) => void) | undefined;
}

/** Draws the jobs in order; the first error of a callback, or an abort, ends it. */
export async function drawLocally(
  { jobs, onOutcome }: DrawRequest,
  options: LocalOptions,
): Promise<void> {
  const waiting = jobs.values();
  let failure: { error: unknown } | undefined;
  const drawOn = async () => {
    for (const job of waiting) {
      if (failure !== undefined) return;
      try {
        await onOutcome(job, await drawSample(job, options));
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  const concurrency = await fitConcurrency(jobs, options);
  await Promise.all(Array.from({ length: concurrency }, drawOn));
  if (failure !== undefined) throw failure.error;
}

/** Runs that cores and memory allow side by side: more threads than cores make all of them wait. */
async function fitConcurrency(jobs: readonly DrawJob[], options: LocalOptions): Promise<number> {
  const { concurrency, model, onWarning } = options;
  const asked = Math.min(concurrency, jobs.length);
  if (asked <= 1) return asked;
  const cores = availableParallelism();
  const byCores =
    model.engine.gpu === false ? Math.max(1, Math.floor(cores / model.threads)) : asked;
  const byMemory = await fittingMemory(jobs, options);
  const fitting = Math.min(asked, byCores, byMemory);
  if (fitting < asked) {
    const reason =
      byCores <= byMemory
        ? `${cores} cores, ${model.threads} thread${model.threads > 1 ? "s" : ""} a run`
        : "free memory";
    onWarning?.(`Concurrency is lowered from ${asked} to ${fitting}: ${reason}`);
  }
  return fitting;
}

/** Runs like the largest one that fit into memory together; at least 1. */
async function fittingMemory(jobs: readonly DrawJob[], options: LocalOptions): Promise<number> {
  const { model, proposal, task, form } = options;
  const longest = new Map<string, DrawJob>();
  for (const job of jobs) {
    const known = longest.get(job.name);
    if (known === undefined || job.item.prompt.length > known.item.prompt.length) {
      longest.set(job.name, job);
    }
  }
  let fitting = Number.POSITIVE_INFINITY;
  for (const { item, method, options: own } of longest.values()) {
    const planned = await plan(model, task.prompt(item, form).prompt, {
      ...promptSettings(task, form, item, own),
      method,
      ...(method === "ets-is" && proposal && { proposal }),
    }).catch(() => null); // the run itself will say why it can't be
    if (planned === null) continue;
    const contexts = [planned.model, ...(planned.proposal ? [planned.proposal] : [])];
    const needed = contexts.reduce(
      (sum, { memory }) => sum + memory.kvCache + memory.compute + memory.logits,
      0,
    );
    fitting = Math.min(fitting, Math.floor((MEMORY_SHARE * planned.freeBytes) / needed));
  }
  return Math.max(1, fitting);
}
