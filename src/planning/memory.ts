/** Decides whether contexts that are used together fit into the memory of their places (CPU or GPU). */
import type { FreeMemory, Model, Place } from "../engine/engine.js";
import { LlamaEtsError } from "../engine/errors.js";
import type { ContextPlan } from "./context-plan.js";

/** Share of the free memory that contexts may take. */
const MEMORY_SHARE = 0.8;

/** A planned context of a model, and the free memory in its place. */
export interface PlacedPlan {
  model: Pick<Model, "freeMemory">;
  plan: ContextPlan;
  free: FreeMemory;
}

type Placed = Pick<PlacedPlan, "model" | "free">;

/** Whether in each place the contexts that are there fit. */
export function fitInMemory(contexts: readonly PlacedPlan[]): boolean {
  return shortage(contexts) === undefined;
}

/** The error for contexts that don't fit. It names their sizes in the place that is too small. */
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

/** The bytes that the contexts add to memory. A copy of a model's weights counts once. */
function neededBytes(contexts: readonly PlacedPlan[]): number {
  const copies = new Map<PlacedPlan["model"], number>();
  for (const { model, plan } of contexts) {
    copies.set(model, Math.max(copies.get(model) ?? 0, plan.memory.copy));
  }
  const own = contexts.map(({ plan, free }) => contextBytes(plan, free.place));
  return [...copies.values(), ...own].reduce((a, b) => a + b, 0);
}

/** The bytes that a context itself adds to the memory of its place. */
export function contextBytes({ memory }: Pick<ContextPlan, "memory">, place: Place): number {
  const { kvCache, compute, logits } = memory;
  return kvCache + compute + (place === "gpu" ? 0 : logits);
}

/** The bytes that contexts may take. Each model's weights and idle contexts count once. */
function usableBytes(contexts: readonly Placed[]): number {
  return MEMORY_SHARE * Math.max(0, freeBytes(contexts) - sumOf(contexts, "mappedBytes"));
}

/** The bytes that contexts of one model may take if no other model is used. */
export function usableFor(model: PlacedPlan["model"], free: FreeMemory): number {
  return usableBytes([{ model, free }]);
}

/** The free bytes in the place of the first context, including the idle contexts of the models there. */
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
