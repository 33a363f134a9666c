/** How many runs go on side by side, and the contexts whose decodes they share. */
import { availableParallelism } from "node:os";
import type { Model } from "../engine/local/model.js";
import { type Plan, plan } from "../methods/plan.js";
import {
  type ContextPlan,
  freeMemory,
  largest,
  mostSharing,
  neededBytes,
  planShared,
  usableBytes,
} from "../planning/capacity.js";
import { promptSettings } from "./configured-methods.js";
import type { DrawContext } from "./draw-sample.js";
import type { DrawJob } from "./jobs.js";

/** Share of the free memory that runs' own contexts may take together. */
const MEMORY_SHARE = 0.8;

interface Lowered {
  concurrency: number;
  /** Why it is less than what was asked for; null when it is not. */
  limit: string | null;
}

/** Disposed of when the runs have ended. */
interface SideBySide extends Lowered, AsyncDisposable {}

interface Limit {
  most: number;
  reason: string;
}

/** What is to be shared by runs on one model that compute in one way. */
interface Group {
  model: Model;
  plans: ContextPlan[];
}

/**
 * Makes room for `asked` runs of the jobs, or for as many as fit, at least 1. Those of diffusion
 * models decode in contexts of their own. Work at once on more threads than there are cores would
 * make all of it wait. `onWarning` is told of fewer. Throws `ERR_OUT_OF_MEMORY`.
 */
export async function openSideBySide(
  asked: number,
  jobs: readonly DrawJob[],
  { onWarning, ...context }: DrawContext & { onWarning?: ((message: string) => void) | undefined },
): Promise<SideBySide> {
  if (asked <= 1) return { ...lowered(asked, []), [Symbol.asyncDispose]: async () => {} };
  const { model } = context;
  const plans = await planLongest(jobs, context);
  const groups = model.kind === "diffusion" ? [] : toGroups(plans, context);
  const { concurrency, limit } =
    model.kind === "diffusion"
      ? lowered(asked, [coreLimit(model), memoryLimit(plans)])
      : lowered(asked, [
          contextLimit(groups, context),
          sequenceLimit(groups),
          sharedMemoryLimit(groups, asked),
        ]);
  if (limit !== null) {
    onWarning?.(`Concurrency is lowered from ${asked} to ${concurrency}: ${limit}`);
  }
  const shared: AsyncDisposable[] = [];
  const close = async () => {
    await Promise.all(shared.map((opened) => opened[Symbol.asyncDispose]()));
  };
  try {
    for (const group of concurrency > 1 ? groups : []) {
      shared.push(await group.model.share(sharedBy(group, concurrency)));
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { concurrency, limit, [Symbol.asyncDispose]: close };
}

function lowered(asked: number, limits: readonly Limit[]): Lowered {
  const [lowest] = limits.toSorted((a, b) => a.most - b.most);
  if (lowest === undefined || lowest.most >= asked) return { concurrency: asked, limit: null };
  return { concurrency: Math.max(1, lowest.most), limit: lowest.reason };
}

/** Of each method the job whose item has the longest prompt: what room is made for. */
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
  const { model, proposal, task, form } = context;
  const planOf = async ({ item, method, options }: DrawJob) =>
    plan(model, task.prompt(item, form).prompt, {
      ...promptSettings(task, form, item, options),
      method,
      ...(method === "ets-is" && proposal && { proposal }),
    });
  const plans = await Promise.all(
    longestJobs(jobs).map((job) => planOf(job).catch(() => null)), // the run itself will say why
  );
  return plans.filter((planned) => planned !== null);
}

function toGroups(plans: readonly Plan[], { model, proposal }: DrawContext): Group[] {
  const groups = new Map<string, Group>();
  const add = (key: string, of: Model, planned: ContextPlan) => {
    const { anyAttention, flashAttention } = planned;
    // Attention of our own suits all.
    const name = anyAttention || flashAttention === "shared" ? key : `${key}, its product`;
    const known = groups.get(name);
    if (known) known.plans.push(planned);
    else groups.set(name, { model: of, plans: [planned] });
  };
  for (const planned of plans) {
    add("model", model, planned.model);
    if (proposal && planned.proposal) add("proposal", proposal, planned.proposal);
  }
  return [...groups.values()];
}

function sharedBy({ model, plans }: Group, runs: number): ContextPlan {
  return planShared(model, plans, runs, freeMemory().device);
}

/** Of sequences in one context. */
function sequenceLimit(groups: readonly Group[]): Limit {
  const most = Math.min(...groups.map(({ plans }) => mostSharing(plans)));
  return { most, reason: "a context holds 256 texts" };
}

function sharedMemoryLimit(groups: readonly Group[], asked: number): Limit {
  const free = freeMemory();
  const fits = (runs: number) => {
    const contexts = groups.map((group) => sharedBy(group, runs));
    return neededBytes(contexts, free) <= usableBytes(contexts, free);
  };
  return { most: largest(asked, fits), reason: "free memory" };
}

function memoryLimit(plans: readonly Plan[]): Limit {
  const fitting = plans.map((planned) => {
    const contexts = [planned.model, ...(planned.proposal ? [planned.proposal] : [])];
    const needed = contexts.reduce(
      (sum, { memory }) => sum + memory.kvCache + memory.compute + memory.logits,
      0,
    );
    return Math.floor((MEMORY_SHARE * planned.freeBytes) / needed);
  });
  return { most: Math.min(...fitting), reason: "free memory" };
}

/** Of runs with contexts of their own. */
function coreLimit(model: Model): Limit {
  const cores = availableParallelism();
  const most = model.engine.gpu === false ? Math.floor(cores / model.threads) : Infinity;
  return { most, reason: `cores: ${cores}, threads a run: ${model.threads}` };
}

/** Side by side, one run's texts are drawn while another's proposal or reward model computes. */
function contextLimit(groups: readonly Group[], { model, reward }: DrawContext): Limit {
  const computing = [
    ...groups.map((group) => group.model.threads),
    ...(reward?.name.includes("model:") ? [model.threads] : []),
  ];
  const threads = computing.reduce((a, b) => a + b, 0);
  const cores = availableParallelism();
  const fits = computing.length <= 1 || model.engine.gpu !== false || threads <= cores;
  const reason = `cores: ${cores}, threads of ${computing.length} contexts: ${threads}`;
  return { most: fits ? Infinity : 1, reason };
}
