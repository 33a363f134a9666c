/**
 * Decides how many runs go on at the same time, for evaluations and for the server. Runs on one
 * autoregressive model share a context, and therefore decodes, if they compute attention in the same way.
 * Runs on diffusion models have their own denoisers.
 */
import { availableParallelism } from "node:os";
import type { Model } from "../engine/engine.js";
import { largest } from "../engine/largest.js";
import type { ContextPlan } from "./context-plan.js";
import { mostSharing, planShared } from "./contexts.js";
import { fitInMemory, outOfMemory, type PlacedPlan } from "./memory.js";

/** The contexts that a run uses together: its model's, and its proposal's if it has one. */
export type RunContexts = readonly { model: Model; plan: ContextPlan }[];

/** The runs to admit. */
export interface AdmissionRequest {
  /** The number of runs that should go on at the same time. */
  asked: number;
  /** The contexts of each kind of run among them. */
  runs: readonly RunContexts[];
  /** Models that compute at the same time in contexts that aren't planned, such as a reward's model. */
  beside?: readonly Model[];
  /** Kinds of runs of other models. Memory is left for the same number of each of them. */
  others?: readonly RunContexts[];
}

interface Admission {
  /** At least 1. */
  concurrency: number;
  /** Why it is less than `asked`; null if it is not. */
  limit: string | null;
}

/** Shared contexts of which runs lease parts. Dispose it when the runs have ended. */
export interface Room extends Admission, AsyncDisposable {
  /** Whether the run computes attention as the shared contexts do, so that it can lease parts of them. */
  suits(run: RunContexts): boolean;
}

interface Limit {
  most: number;
  reason: string;
}

/** The plans that share a context: those on one model that compute attention in the same way. */
interface Group {
  key: string;
  model: Model;
  plans: ContextPlan[];
}

/**
 * Opens shared contexts for as many of the runs as fit into memory and into the cores: work on more
 * threads than cores would slow everything down. Throws `ERR_OUT_OF_MEMORY` if an engine can't allocate
 * what should fit.
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
 * Checks that one run of each kind can go on at the same time. Throws `ERR_OUT_OF_MEMORY` if they don't
 * fit into memory together.
 */
export function refuseUnlessTogether(runs: readonly RunContexts[]): void {
  const plans = placePlans(runs)(1);
  if (!fitInMemory(plans)) throw outOfMemory(plans);
}

/** Whether the models together have more threads than there are cores, so that they should take turns. */
export function exceedCores(models: readonly Model[]): boolean {
  return sumOf(models.map(threadsOf)) > availableParallelism();
}

function lowered(asked: number, limits: readonly Limit[]): Admission {
  const [lowest] = limits.toSorted((a, b) => a.most - b.most);
  if (lowest === undefined || lowest.most >= asked) return { concurrency: asked, limit: null };
  return { concurrency: Math.max(1, lowest.most), limit: lowest.reason };
}

/** Whether this context can't be shared between runs. */
function isSeparate({ model }: RunContexts[number]): boolean {
  return model.kind === "diffusion";
}

function isShared(run: RunContexts): boolean {
  return !run.some(isSeparate);
}

/** Groups plans that can share a context. A run's model and its proposal are always in different groups. */
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

/** @param i the model's index in its run */
function keyOf(i: number, { anyAttention, flashAttention }: ContextPlan): string {
  // All runs can use our own attention.
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

/** Returns a function that plans the contexts for a number of runs of each kind, by the memory free now. */
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

/** The limit for runs with their own contexts, of which only one computes at a time. */
function coreLimit(run: RunContexts, beside: readonly Model[]): Limit {
  const cores = availableParallelism();
  const threads = Math.max(...run.map(({ model }) => threadsOf(model)));
  const others = sumOf(beside.map(threadsOf));
  const most = threads === 0 ? Infinity : Math.floor((cores - others) / threads);
  const rest = others > 0 ? `, of what computes beside: ${others}` : "";
  return { most, reason: `cores: ${cores}, threads a run: ${threads}${rest}` };
}

/**
 * The limit for runs that share contexts. While one run draws texts, the proposal or the reward model of
 * another run computes, so their threads must fit together.
 */
function contextLimit(groups: readonly Group[], beside: readonly Model[]): Limit {
  const computing = [...groups.map(({ model }) => model), ...beside].map(threadsOf);
  const threads = sumOf(computing);
  const cores = availableParallelism();
  const fits = computing.length <= 1 || threads <= cores;
  const reason = `cores: ${cores}, threads of ${computing.length} contexts: ${threads}`;
  return { most: fits ? Infinity : 1, reason };
}

/** The number of cores that are busy while the model computes; 0 on a GPU, where the threads wait. */
function threadsOf(model: Model): number {
  return model.freeMemory().place === "gpu" ? 0 : model.threads;
}

function sumOf(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}
