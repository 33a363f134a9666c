/** Whether contexts that are in use together fit into the memory of the places they live in. */
import type { FreeMemory, Model, Place } from "../engine/engine.js";
import { LlamaEtsError } from "../engine/errors.js";
import type { ContextPlan } from "./context-plan.js";

/** Share of the free memory that contexts may take. */
const MEMORY_SHARE = 0.8;

/** A context of a model, and what was free where it lives. */
export interface PlacedPlan {
  model: Pick<Model, "freeMemory">;
  plan: ContextPlan;
  free: FreeMemory;
}

type Placed = Pick<PlacedPlan, "model" | "free">;

/** Whether the contexts fit: in each place, those that live there. */
export function fitInMemory(contexts: readonly PlacedPlan[]): boolean {
  return shortage(contexts) === undefined;
}

/** Says what the smallest contexts would need, in the place where they don't fit. */
export function outOfMemory(contexts: readonly PlacedPlan[]): LlamaEtsError {
  const short = shortage(contexts) ?? contexts;
  const sizes = short.map(({ plan }) => Math.max(plan.cells, plan.batchTokens));
  return new LlamaEtsError(
    "ERR_OUT_OF_MEMORY",
    `Contexts of ${sizes.join(" and ")} tokens need ${toMiB(neededBytes(short))} MiB; ${toMiB(usableBytes(short))} MiB can be used`,
  );
}

/** The contexts of the first place that is too small for them. */
function shortage(contexts: readonly PlacedPlan[]): readonly PlacedPlan[] | undefined {
  const places = new Set(contexts.map(({ free }) => free.place));
  return [...places]
    .map((place) => contexts.filter(({ free }) => free.place === place))
    .find((own) => neededBytes(own) > usableBytes(own));
}

/** What the contexts add to what is in memory. */
function neededBytes(contexts: readonly PlacedPlan[]): number {
  return contexts.reduce((sum, { plan, free }) => sum + contextBytes(plan, free.place), 0);
}

/** What a context adds to the memory of the place where it lives. */
export function contextBytes({ memory }: Pick<ContextPlan, "memory">, place: Place): number {
  const { copy, kvCache, compute, logits } = memory;
  return copy + kvCache + compute + (place === "gpu" ? 0 : logits);
}

/** Each model's weights and kept contexts are there once, however many contexts it gets. */
function usableBytes(contexts: readonly Placed[]): number {
  return MEMORY_SHARE * Math.max(0, freeBytes(contexts) - sumOf(contexts, "mappedBytes"));
}

/** What contexts of one model alone may take. */
export function usableFor(model: PlacedPlan["model"], free: FreeMemory): number {
  return usableBytes([{ model, free }]);
}

/** Free where the first of the contexts lives, with what the models of that place keep idle. */
export function freeBytes(contexts: readonly Placed[]): number {
  const [first] = contexts;
  if (first === undefined) return 0;
  const here = contexts.filter(({ free }) => free.place === first.free.place);
  return first.free.bytes + sumOf(here, "idleBytes");
}

function sumOf(contexts: readonly Placed[], what: "idleBytes" | "mappedBytes"): number {
  const models = new Map(contexts.map(({ model, free }) => [model, free[what]]));
  return [...models.values()].reduce((a, b) => a + b, 0);
}

function toMiB(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
