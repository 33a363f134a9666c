/** What a run needs, and whether it fits: planned before work starts. */
import { freemem } from "node:os";
import { LlamaEtsError } from "../engine/errors.js";
import {
  bytesPerCell,
  bytesPerRow,
  type ContextMemory,
  computeBytes,
  contextMemory,
  type ModelShape,
  padCells,
  reservedComputeBytes,
} from "../engine/local/memory.js";
import { addon, SHARED_ATTENTION } from "../engine/local/native.js";
import { type AttentionKind, fastestAttention } from "./attention.js";

/** llama.cpp's limit on sequences of one context. */
const MAX_SEQUENCES = 256;
/** Tokens a batch; more buys less than 5% and takes memory. */
const MAX_BATCH = 512;
/** Rows of logits a batch, at least: scoring packs this many. */
const MIN_OUTPUTS = 64;
/** Share of the free memory that contexts may take. */
const MEMORY_SHARE = 0.8;

export interface Demand {
  promptTokens: number;
  /** The longest text that may be generated. */
  maxTokens: number;
  /** Continuations that could run side by side. */
  parallel: number;
  /** Sequences kept besides those that run: the prefix and its candidates. */
  held: number;
  /** Tokens that the held sequences have beyond the prompt, those in common counted once. */
  heldTokens: number;
  /** The most tokens that a continuation adds to what is held. */
  continuedTokens: number;
  /** The most tokens read at once besides the prompt. Default 0. */
  readTokens?: number;
  /** Whether continuations are scored. Default true. */
  scores?: boolean;
  /** Whether log-probabilities of decoding and of scoring are compared. */
  comparesLogProbs: boolean;
}

/** The size of a context. */
export interface Capacity {
  /** KV cells, one a token; forks share those of their common prefix. */
  cells: number;
  /** Texts that the context holds at once, from 1 to 256. */
  sequences: number;
  /** Tokens of one decode; llama.cpp's batch and microbatch alike. */
  batchTokens: number;
  /** Rows of logits of one decode. */
  outputs: number;
}

export interface ContextPlan extends Capacity {
  /** Continuations that run side by side. */
  parallel: number;
  /** Rounds that the continuations of one step take. */
  waves: number;
  kvType: "f16" | "f32";
  /** One stream of cells for all sequences, so that a fork copies nothing. */
  streams: "unified";
  flashAttention: false | "auto" | "engine" | "shared";
  /** Whether that is a matter of speed alone. */
  anyAttention: boolean;
  memory: ContextMemory;
}

export interface ContextRequest {
  model: ModelShape;
  demand: Demand;
  /** Continuations beyond which running more side by side gains little. */
  parallelLimit: number;
}

/** Where contexts are made. */
interface Place {
  device: "cpu" | "gpu";
  /** Whether a CPU's attention is our own. Default false. */
  sharesAttention?: boolean;
}

/** Where contexts are made, and the bytes free there. */
export interface FreeMemory extends Place {
  bytes: number;
}

/**
 * Plans contexts that are in use together; work that doesn't fit at once runs in waves. Throws
 * `ERR_CONTEXT_FULL` when prompt and text exceed the model's context length, `ERR_INVALID_OPTION`
 * when more texts are kept than a context holds, and `ERR_OUT_OF_MEMORY` when not even one
 * continuation at a time fits into memory.
 */
export function planContexts(
  requests: readonly ContextRequest[],
  free: FreeMemory = freeMemory(),
): ContextPlan[] {
  for (const request of requests) refuseImpossible(request);
  const mostOf = ({ demand, parallelLimit }: ContextRequest) =>
    Math.min(demand.parallel, parallelLimit, MAX_SEQUENCES - demand.held);
  const plansFor = (parallel: number) =>
    requests.map((r) => planContext(r.model, r.demand, Math.min(parallel, mostOf(r)), free));
  const fits = (plans: readonly ContextPlan[]) =>
    neededBytes(plans, free) <= usableBytes(plans, free);

  const most = Math.max(...requests.map(mostOf));
  const parallel = largest(most, (count) => fits(plansFor(count)));
  if (parallel === 0) {
    throw outOfMemory(plansFor(1), free);
  }
  return plansFor(parallel);
}

/** The largest number from 1 to `most` that fits, if all below a fitting one do; 0 when none does. */
export function largest(most: number, fits: (count: number) => boolean): number {
  let [fitting, tooMany] = [0, most + 1];
  while (tooMany - fitting > 1) {
    const middle = Math.floor((fitting + tooMany) / 2);
    if (fits(middle)) fitting = middle;
    else tooMany = middle;
  }
  return fitting;
}

/** Says what the smallest plans would need. */
export function outOfMemory(plans: readonly ContextPlan[], free: FreeMemory): LlamaEtsError {
  const sizes = plans.map(({ cells, batchTokens }) => Math.max(cells, batchTokens));
  return new LlamaEtsError(
    "ERR_OUT_OF_MEMORY",
    `Contexts of ${sizes.join(" and ")} tokens need ${toMiB(neededBytes(plans, free))} MiB; ${toMiB(usableBytes(plans, free))} MiB can be used`,
  );
}

function refuseImpossible({ model, demand }: ContextRequest): void {
  refuseTooLong(model, demand);
  const { held } = demand;
  if (held >= MAX_SEQUENCES) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `A step would keep ${held} texts beside the one that runs; llama.cpp holds ${MAX_SEQUENCES} in all`,
    );
  }
}

/** Throws `ERR_CONTEXT_FULL`. */
export function refuseTooLong(
  { info: { contextLength } }: ModelShape,
  { promptTokens, maxTokens }: Pick<Demand, "promptTokens" | "maxTokens">,
): void {
  if (promptTokens + maxTokens > contextLength) {
    throw new LlamaEtsError(
      "ERR_CONTEXT_FULL",
      `The prompt has ${promptTokens} tokens and the answer up to ${maxTokens}; the model's context holds ${contextLength}`,
    );
  }
}

/** A context in which `parallel` continuations run side by side, whether it fits or not. */
function planContext(
  model: ModelShape,
  demand: Demand,
  parallel: number,
  place: Place,
): ContextPlan {
  const { promptTokens, maxTokens, held, heldTokens, continuedTokens, readTokens = 0 } = demand;
  const { scores = true } = demand;
  const flashAttention = chooseAttention(model, demand, parallel, place);
  const sequences = parallel + held;
  const outputs = Math.max(MIN_OUTPUTS, sequences);
  const continued = Math.max(parallel * continuedTokens, maxTokens);
  const cells = padCells(promptTokens + heldTokens + continued);
  // Powers of two: prompts of about one length share a context.
  const readAtOnce = 2 ** Math.ceil(Math.log2(Math.max(promptTokens, readTokens)));
  const batchTokens = Math.min(Math.max(outputs, readAtOnce), Math.max(outputs, MAX_BATCH), cells);
  const capacity = { cells, sequences, batchTokens, outputs };

  const shape = { flashAttention: flashAttention !== false };
  const runs = scores ? outputs : parallel;
  const compute =
    place.device === "gpu"
      ? reservedComputeBytes(model, { ...capacity, ...shape, tokens: batchTokens })
      : Math.max(
          computeBytes(model, { ...shape, tokens: runs, cells, outputs: runs }),
          computeBytes(model, {
            ...shape,
            tokens: Math.min(batchTokens, Math.max(promptTokens, readTokens)),
            cells: padCells(promptTokens + (readTokens > 0 ? heldTokens : 0)),
            outputs: held,
          }),
        );
  const kvCache = cells * bytesPerCell(model);
  const logits = (Math.max(runs, sequences) + held) * bytesPerRow(model);
  return {
    ...capacity,
    parallel,
    waves: Math.ceil(demand.parallel / parallel),
    kvType: "f16",
    streams: "unified",
    flashAttention,
    anyAttention: !demand.comparesLogProbs,
    memory: contextMemory(model, { kvCache, logits, compute }),
  };
}

/**
 * Attention of our own and the engine's product sum in single precision, so that decoding and scoring
 * agree; llama.cpp's flash attention doesn't. Where it may choose, a GPU's engine does, and a CPU has
 * the fastest.
 */
function chooseAttention(
  { attention = "auto" }: ModelShape,
  demand: Demand,
  parallel: number,
  { device, sharesAttention = false }: Place,
): ContextPlan["flashAttention"] {
  if (device === "gpu") return !demand.comparesLogProbs && "auto";
  const isOurs = attention === "own";
  const mayBeOurs = sharesAttention && attention !== "engine";
  const kinds: AttentionKind[] = isOurs
    ? ["shared"]
    : mayBeOurs
      ? ["shared", "product"]
      : ["product"];
  if (!isOurs && !demand.comparesLogProbs) kinds.push("flash");
  const fastest = fastestAttention({ ...demand, parallel }, kinds);
  if (fastest === "product") return false;
  if (demand.comparesLogProbs) return "shared";
  // Elsewhere "auto" is the engine's.
  return fastest === "flash" && mayBeOurs ? "engine" : "auto";
}

/** How many runs can share one context. */
export function mostSharing(plans: readonly ContextPlan[]): number {
  return Math.floor(MAX_SEQUENCES / Math.max(...plans.map(({ sequences }) => sequences)));
}

/** One context with room for `runs` runs side by side, of any of the plans, at most `mostSharing`. */
export function planShared(
  model: ModelShape,
  plans: readonly ContextPlan[],
  runs: number,
  device: FreeMemory["device"],
): ContextPlan {
  const largest = (name: keyof Capacity | "parallel") =>
    Math.max(...plans.map((plan) => plan[name]));
  const { kvType, streams } = plans[0] as ContextPlan;
  // Texts of different runs share nothing, which favours flash attention.
  const bound = plans.find(({ anyAttention }) => !anyAttention);
  const flashAttention = bound?.flashAttention ?? "auto";
  const parallel = runs * largest("parallel");
  const sequences = runs * largest("sequences");
  const outputs = Math.max(largest("outputs"), sequences);
  const batchTokens = Math.max(largest("batchTokens"), outputs);
  const cells = Math.max(runs * largest("cells"), padCells(batchTokens));
  const capacity = { cells, sequences, batchTokens, outputs };
  const shape = { cells, flashAttention: flashAttention !== false };
  const kvCache = cells * bytesPerCell(model);
  const logits = (outputs + sequences) * bytesPerRow(model);
  const compute =
    device === "gpu"
      ? reservedComputeBytes(model, { ...capacity, ...shape, tokens: batchTokens })
      : Math.max(
          computeBytes(model, { ...shape, tokens: outputs, outputs }),
          computeBytes(model, { ...shape, tokens: batchTokens, outputs: 1 }),
        );
  return {
    ...capacity,
    parallel,
    waves: Math.max(...plans.map(({ waves }) => waves)),
    ...{ kvType, streams, flashAttention, anyAttention: bound === undefined },
    memory: contextMemory(model, { kvCache, logits, compute }),
  };
}

/** What the plans add to what is in memory; on a GPU, to its memory. */
export function neededBytes(plans: readonly ContextPlan[], { device }: FreeMemory): number {
  return plans.reduce((sum, { memory: { copy, kvCache, compute, logits } }) => {
    return sum + copy + kvCache + compute + (device === "gpu" ? 0 : logits);
  }, 0);
}

/** Linux counts the weights, mapped from their files, as free: taking it would evict them. */
export function usableBytes(plans: readonly ContextPlan[], { device, bytes }: FreeMemory): number {
  const isMapped = device === "cpu" && process.platform === "linux";
  const weights = plans.reduce((sum, { memory }) => sum + (isMapped ? memory.weights : 0), 0);
  return MEMORY_SHARE * Math.max(0, bytes - weights);
}

/** Free memory where the KV cache lives: the GPU's, if there is one. */
export function freeMemory(): FreeMemory {
  const devices = addon().devices();
  const gpus = devices.filter(({ type }) => type === "gpu");
  if (gpus.length > 0) {
    return { device: "gpu", bytes: gpus.reduce((sum, gpu) => sum + gpu.freeBytes, 0) };
  }
  // A container's limit; 0 or a huge number without one.
  const limit = process.constrainedMemory();
  const left = limit > 0 ? limit - process.memoryUsage.rss() : Number.POSITIVE_INFINITY;
  const sharesAttention = devices.some(({ name }) => name === SHARED_ATTENTION);
  return { device: "cpu", bytes: Math.max(0, Math.min(freemem(), left)), sharesAttention };
}

function toMiB(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
