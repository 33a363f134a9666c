/**
 * How many runs go on side by side: evaluations' and a server's are admitted alike. Those of
 * autoregressive models share contexts, and so decodes, where they compute in one way; those of
 * diffusion models have denoisers of their own.
 */
import { availableParallelism } from "node:os";
import type { Model } from "../engine/engine.js";
import { largest } from "../engine/largest.js";
import type { ContextPlan } from "./context-plan.js";
import { mostSharing, planShared } from "./contexts.js";
import { fitInMemory, outOfMemory, type PlacedPlan } from "./memory.js";

/** A run's contexts, which are in use together: its model's, and its proposal's if it has one. */
export type RunContexts = readonly { model: Model; plan: ContextPlan }[];

/** What is admitted. */
export interface AdmissionRequest {
  /** Runs that should go on side by side. */
  asked: number;
  /** The contexts of each kind of run among them. */
  runs: readonly RunContexts[];
  /** Models that compute beside the runs in contexts that aren't planned: a reward's. */
  beside?: readonly Model[];
  /** Kinds of runs of other models, for as many of which memory is left. */
  others?: readonly RunContexts[];
}

interface Admission {
  /** At least 1. */
  concurrency: number;
  /** Why it is less than what was asked for; null when it is not. */
  limit: string | null;
}

/** Shared contexts, whose parts the runs lease; disposed of when the runs have ended. */
export interface Room extends Admission, AsyncDisposable {
  /** Whether a run computes in the way of one of the shared contexts, so that it can lease a part. */
  suits(run: RunContexts): boolean;
}

interface Limit {
  most: number;
  reason: string;
}

/** What is to be shared by runs on one model that compute in one way. */
interface Group {
  key: string;
  model: Model;
  plans: ContextPlan[];
}

/**
 * Makes room for as many of the runs as fit. Work at once on more threads than there are cores would
 * make all of it wait. Throws `ERR_OUT_OF_MEMORY` when an engine can't allocate what should fit.
 */
export async function openRoom(request: AdmissionRequest): Promise<Room> {
  const groups = toGroups(request.runs);
  const admission = admit(request, groups);
  const { concurrency } = admission;
  const shared: AsyncDisposable[] = [];
  const close = async () => {
    await Promise.all(shared.map((opened) => opened[Symbol.asyncDispose]()));
  };
  try {
    for (const { model, plans } of concurrency > 1 ? groups : []) {
      shared.push(await model.share(sharedPlan({ model, plans }, concurrency)));
    }
  } catch (error) {
    await close();
    throw error;
  }
  const isThere = new Set(concurrency > 1 ? groups.map(({ key }) => key) : []);
  const suits = (run: RunContexts) =>
    run.every((one, i) => !isSeparate(one) && isThere.has(keyOf(i, one.plan)));
  return { ...admission, suits, [Symbol.asyncDispose]: close };
}

function admit(
  { asked, runs, beside = [], others = [] }: AdmissionRequest,
  groups: readonly Group[],
) {
  if (asked <= 1) return lowered(asked, []);
  const separate = runs.filter((run) => !isShared(run));
  const memoryLimit = (own: readonly RunContexts[]): Limit => {
    const placed = placePlans([...own, ...others]);
    return { most: largest(asked, (count) => fitInMemory(placed(count))), reason: "free memory" };
  };
  return lowered(asked, [
    ...separate.flatMap((run) => [coreLimit(run, beside), memoryLimit([run])]),
    ...(groups.length > 0
      ? [contextLimit(groups, beside), sequenceLimit(groups), memoryLimit(runs.filter(isShared))]
      : []),
  ]);
}

/**
 * Refuses runs of several models that can't go on beside each other, one of each. Throws
 * `ERR_OUT_OF_MEMORY`.
 */
export function refuseUnlessTogether(runs: readonly RunContexts[]): void {
  const plans = placePlans(runs)(1);
  if (!fitInMemory(plans)) throw outOfMemory(plans);
}

/** Whether the models together have more threads than there are cores, so that they had better take turns. */
export function exceedCores(models: readonly Model[]): boolean {
  return sumOf(models.map(threadsOf)) > availableParallelism();
}

function lowered(asked: number, limits: readonly Limit[]): Admission {
  const [lowest] = limits.toSorted((a, b) => a.most - b.most);
  if (lowest === undefined || lowest.most >= asked) return { concurrency: asked, limit: null };
  return { concurrency: Math.max(1, lowest.most), limit: lowest.reason };
}

/** Whether a run has this context to itself. */
function isSeparate({ model }: RunContexts[number]): boolean {
  return model.kind === "diffusion";
}

function isShared(run: RunContexts): boolean {
  return !run.some(isSeparate);
}

/** A run takes a part of each group that it is in: a model and its own proposal are two. */
function toGroups(runs: readonly RunContexts[]): Group[] {
  const groups: Group[] = [];
  for (const run of runs) {
    for (const [i, { model, plan }] of run.entries()) {
      if (isSeparate({ model, plan })) continue;
      const key = keyOf(i, plan);
      const known = groups.find((group) => group.key === key && group.model === model);
      if (known) known.plans.push(plan);
      else groups.push({ key, model, plans: [plan] });
    }
  }
  return groups;
}

/** @param i the model's place in its run */
function keyOf(i: number, { anyAttention, flashAttention }: ContextPlan): string {
  // Attention of our own suits all.
  return `${i}${anyAttention || flashAttention === "shared" ? "" : ", its product"}`;
}

function sharedPlan({ model, plans }: Omit<Group, "key">, runs: number): ContextPlan {
  return planShared(model, plans, runs, model.freeMemory().place);
}

function sequenceLimit(groups: readonly Group[]): Limit {
  const most = Math.min(...groups.map(({ model, plans }) => mostSharing(plans, model)));
  const sequences = Math.min(...groups.map(({ model }) => model.limits.sequences));
  return { most, reason: `a context holds ${sequences} texts` };
}

/** The contexts that so many runs of each kind have in memory, by what is free now. */
function placePlans(kinds: readonly RunContexts[]): (runs: number) => PlacedPlan[] {
  const own = kinds.filter((run) => !isShared(run)).flat();
  const placed = own.map((one) => ({ ...one, free: one.model.freeMemory() }));
  const groups = toGroups(kinds.filter(isShared)).map((group) => {
    return { ...group, free: group.model.freeMemory() };
  });
  return (runs) => [
    ...Array.from({ length: runs }, () => placed).flat(),
    ...groups.map(({ model, plans, free }) => {
      const sharing = Math.min(runs, mostSharing(plans, model));
      return { model, free, plan: planShared(model, plans, sharing, free.place) };
    }),
  ];
}

/** For runs with contexts of their own, of which one computes at a time. */
function coreLimit(run: RunContexts, beside: readonly Model[]): Limit {
  const cores = availableParallelism();
  const threads = Math.max(...run.map(({ model }) => threadsOf(model)));
  const others = sumOf(beside.map(threadsOf));
  const most = threads === 0 ? Infinity : Math.floor((cores - others) / threads);
  const rest = others > 0 ? `, of what computes beside: ${others}` : "";
  return { most, reason: `cores: ${cores}, threads a run: ${threads}${rest}` };
}

/** Side by side, one run's texts are drawn while another's proposal or reward model computes. */
function contextLimit(groups: readonly Group[], beside: readonly Model[]): Limit {
  const computing = [...groups.map(({ model }) => model), ...beside].map(threadsOf);
  const threads = sumOf(computing);
  const cores = availableParallelism();
  const fits = computing.length <= 1 || threads <= cores;
  const reason = `cores: ${cores}, threads of ${computing.length} contexts: ${threads}`;
  return { most: fits ? Infinity : 1, reason };
}

/** Threads that compute while the model does; a GPU's wait. */
function threadsOf(model: Model): number {
  return model.freeMemory().place === "gpu" ? 0 : model.threads;
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
