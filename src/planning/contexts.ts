/** Plans the contexts of autoregressive models: their sizes, and how many continuations run at once. */
import { refuseTooLong } from "../engine/context-length.js";
import type { Capacity, FreeMemory, Model, Place } from "../engine/engine.js";
import { LlamaEtsError } from "../engine/errors.js";
import { DEFAULT_KV_TYPE, isQuantized } from "../engine/kv-types.js";
import { largest } from "../engine/largest.js";
import { type AttentionKind, fastestAttention } from "./attention.js";
import type { ContextPlan, Demand, PlannedContexts } from "./context-plan.js";
import { fitInMemory, freeBytes, outOfMemory, type PlacedPlan } from "./memory.js";

/** The part of a model that planning uses. */
export type PlannedModel = Pick<
  Model,
  "info" | "limits" | "memoryOf" | "memoryOfDenoiser" | "freeMemory" | "checkExtends"
>;

/** The part of a model that the plan of a run uses. The model's weights need not be in memory. */
export type RunModel = PlannedModel & Pick<Model, "can" | "path">;

export interface ContextRequest {
  model: PlannedModel;
  demand: Demand;
  /** The free memory in the place where the context will be. */
  free: FreeMemory;
  /** The number of parallel continuations beyond which more gain little; default: the model's. */
  parallelLimit?: number;
  /**
   * The part of a shared context that the run may take. "apart": the run makes its own context and takes
   * none of the shared one. Default: its own context, as large as memory allows.
   */
  within?: ContextPart | "apart" | undefined;
}

/** A part of an existing context. */
export type ContextPart = Pick<Capacity, "cells" | "sequences">;

/** Plans the contexts of one run with `planContexts` and the memory that is free now. */
export function planTogether(
  wanted: readonly Pick<ContextRequest, "model" | "demand" | "within">[],
): PlannedContexts {
  const requests = wanted.map((one) => {
    one.model.checkExtends();
    return { ...one, free: freeFor(one) };
  });
  return { contexts: planContexts(requests), freeBytes: freeBytes(requests) };
}

function freeFor({ model, within }: Pick<ContextRequest, "model" | "within">): FreeMemory {
  const free = model.freeMemory();
  const { idleBytes, sharedIdleBytes = 0 } = free;
  return within === "apart" ? { ...free, idleBytes: idleBytes - sharedIdleBytes } : free;
}

/**
 * Plans contexts that are used together. Continuations that don't fit at once run in waves. Throws
 * `ERR_CONTEXT_FULL` if prompt and text exceed the model's context length, `ERR_INVALID_OPTION` if more
 * texts are kept than a context holds, and `ERR_OUT_OF_MEMORY` if not even one continuation fits into
 * memory, or into the part of a shared context that the run may take.
 */
export function planContexts(requests: readonly ContextRequest[]): ContextPlan[] {
  for (const request of requests) refuseImpossible(request);
  /** The number of continuations that must run together. */
  const unit = Math.max(...requests.map(({ demand }) => demand.together ?? 1));
  const plansFor = (units: number): PartPlan[] =>
    requests.map((request) => {
      const plan = planContext(request, Math.min(units * unit, mostParallel(request)));
      return { ...request, plan };
    });
  const most = Math.max(...requests.map(mostParallel));
  const units = largest(Math.ceil(most / unit), (count) => {
    const plans = plansFor(count);
    return plans.every(fitsPart) && fitInMemory(plans.filter(isOwn));
  });
  if (units > 0) return plansFor(units).map(({ plan }) => plan);
  const least = plansFor(1);
  const large = least.find((plan) => !fitsPart(plan));
  throw large === undefined ? outOfMemory(least.filter(isOwn)) : largerThanPart(large);
}

/** A plan, and the part of a shared context that it may take. */
type PartPlan = PlacedPlan & Pick<ContextRequest, "within">;

function partOf({ within }: PartPlan): ContextPart | null {
  return within === undefined || within === "apart" ? null : within;
}

function isOwn(plan: PartPlan): boolean {
  return partOf(plan) === null;
}

function fitsPart(planned: PartPlan): boolean {
  const [part, { cells, sequences }] = [partOf(planned), planned.plan];
  return part === null || (cells <= part.cells && sequences <= part.sequences);
}

function largerThanPart(planned: PartPlan): LlamaEtsError {
  const { plan } = planned;
  const { cells = 0, sequences = 0 } = partOf(planned) ?? {};
  return new LlamaEtsError(
    "ERR_OUT_OF_MEMORY",
    `A run needs ${plan.cells} cells and ${plan.sequences} sequences of a context; it may take ${cells} and ${sequences}`,
  );
}

/** The largest number of parallel continuations if memory were unlimited; a multiple of `together`. */
function mostParallel({ model: { limits }, demand, parallelLimit }: ContextRequest): number {
  const { parallel, held, together } = demand;
  const gainful = Math.min(parallel, parallelLimit ?? limits.parallel);
  if (together === undefined) return Math.min(gainful, limits.sequences - held);
  const places = Math.floor((limits.sequences - held) / 2);
  return Math.max(1, Math.floor(Math.min(gainful, places) / together)) * together;
}

function refuseImpossible({ model: { info, limits }, demand }: ContextRequest): void {
  refuseTooLong(info, demand);
  const { held, together = 1 } = demand;
  const kept = held + 2 * together - 2;
  if (kept >= limits.sequences) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `A step would keep ${kept} texts beside the one that runs; llama.cpp holds ${limits.sequences} in all`,
    );
  }
}

/** Plans a context for `parallel` continuations at the same time, whether it fits into memory or not. */
function planContext({ model, demand, free }: ContextRequest, parallel: number): ContextPlan {
  const { promptTokens, maxTokens, held, heldTokens, continuedTokens, readTokens = 0 } = demand;
  const { scores = true } = demand;
  const { limits } = model;
  const flashAttention = chooseAttention(model, demand, parallel, free);
  // Continuations that are kept between blocks still exist while their next blocks are drawn.
  const sequences = parallel + held + (demand.together === undefined ? 0 : parallel);
  const outputs = Math.max(limits.outputs, sequences);
  const continued = Math.max(parallel * continuedTokens, maxTokens);
  const cells = toUnits(promptTokens + heldTokens + continued, model);
  // Rounded up to a power of two, so that prompts of similar lengths can reuse a context.
  const readAtOnce = 2 ** Math.ceil(Math.log2(Math.max(promptTokens, readTokens)));
  const batchTokens = Math.min(
    Math.max(outputs, readAtOnce),
    Math.max(outputs, limits.batchTokens),
    cells,
  );
  const capacity = { cells, sequences, batchTokens, outputs };
  const runs = scores ? outputs : parallel;
  const memory = model.memoryOf(
    {
      ...capacity,
      flashAttention: flashAttention !== false,
      logitRows: Math.max(runs, sequences) + held,
      batches: [
        { tokens: runs, cells, outputs: runs },
        {
          tokens: Math.min(batchTokens, Math.max(promptTokens, readTokens)),
          cells: toUnits(promptTokens + (readTokens > 0 ? heldTokens : 0), model),
          outputs: held,
        },
      ],
    },
    free.place,
  );
  return {
    ...capacity,
    parallel,
    waves: Math.ceil(demand.parallel / parallel),
    kvType: free.kvType ?? DEFAULT_KV_TYPE,
    flashAttention,
    anyAttention: !demand.comparesLogProbs,
    memory,
  };
}

function toUnits(cells: number, { limits: { cellUnit } }: PlannedModel): number {
  return Math.ceil(cells / cellUnit) * cellUnit;
}

/**
 * Our own attention and the engine's product sum in single precision, so that decoding and scoring agree.
 * llama.cpp's flash attention does not, so it is used only if log-probabilities are not compared. In that
 * case the engine chooses on a GPU, and a CPU gets the fastest kind.
 */
function chooseAttention(
  { info: { heads = 2, kvHeads = 1 } }: PlannedModel,
  demand: Demand,
  parallel: number,
  { place, sharesAttention, mustShareAttention = false, kvType = DEFAULT_KV_TYPE }: FreeMemory,
): ContextPlan["flashAttention"] {
  const { comparesLogProbs } = demand;
  if (isQuantized(kvType)) {
    if (comparesLogProbs) throw incomparable(kvType);
    return place === "gpu" || "engine";
  }
  if (place === "gpu") return !comparesLogProbs && "auto";
  const kinds: AttentionKind[] = sharesAttention ? ["shared"] : [];
  if (!mustShareAttention) kinds.push("product");
  if (!mustShareAttention && !comparesLogProbs) kinds.push("flash");
  const group = kvHeads > 0 ? heads / kvHeads : 1; // a recurrent model has no heads
  const fastest = fastestAttention({ ...demand, parallel, group }, kinds);
  if (fastest === "product") return false;
  if (comparesLogProbs) return "shared";
  // "auto" uses our own attention if it is available.
  return fastest === "flash" && sharesAttention ? "engine" : "auto";
}

function incomparable(kvType: string): LlamaEtsError {
  return new LlamaEtsError(
    "ERR_UNSUPPORTED_MODEL",
    `Importance weights compare probabilities of decoding and of scoring; with ${kvType} keys and values these differ too much`,
    { fix: '`kv: "f16"` for both models, or a method without a proposal' },
  );
}

/** The number of runs that can share one context. */
export function mostSharing(plans: readonly ContextPlan[], { limits }: PlannedModel): number {
  return Math.floor(limits.sequences / Math.max(...plans.map(({ sequences }) => sequences)));
}

/** Plans one context for `runs` runs at the same time, each with any of the plans; at most `mostSharing`. */
export function planShared(
  model: PlannedModel,
  plans: readonly ContextPlan[],
  runs: number,
  place: Place,
): ContextPlan {
  const largestOf = (name: keyof Capacity | "parallel" | "waves") =>
    Math.max(...plans.map((plan) => plan[name]));
  const { kvType } = plans[0] as ContextPlan;
  // Texts of different runs share no cells, which favors flash attention.
  const bound = plans.find(({ anyAttention }) => !anyAttention);
  const flashAttention = bound?.flashAttention ?? "auto";
  const sequences = runs * largestOf("sequences");
  const outputs = Math.max(largestOf("outputs"), sequences);
  const batchTokens = Math.max(largestOf("batchTokens"), outputs);
  const cells = Math.max(runs * largestOf("cells"), toUnits(batchTokens, model));
  const capacity = { cells, sequences, batchTokens, outputs };
  const memory = model.memoryOf(
    {
      ...capacity,
      flashAttention: flashAttention !== false,
      logitRows: outputs + sequences,
      batches: [
        { tokens: outputs, cells, outputs },
        { tokens: batchTokens, cells, outputs: 1 },
      ],
    },
    place,
  );
  return {
    ...capacity,
    parallel: runs * largestOf("parallel"),
    waves: largestOf("waves"),
    kvType,
    flashAttention,
    anyAttention: bound === undefined,
    memory,
  };
}
