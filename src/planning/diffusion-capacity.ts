/** What denoising needs, and whether it fits: as `capacity.ts` plans it for autoregressive models. */

import type { DiffusionCache } from "../engine/denoising-request.js";
import {
  bytesPerCell,
  bytesPerRow,
  computeBytes,
  contextMemory,
  type ModelShape,
  padCells,
  reservedComputeBytes,
} from "../engine/local/memory.js";
import {
  type ContextPlan,
  type FreeMemory,
  largest,
  neededBytes,
  outOfMemory,
  refuseTooLong,
  usableBytes,
} from "./capacity.js";

/** As native/js/diffusion_values.cc has it. */
const MAX_TEXTS = 100;

/**
 * Tokens of one decode where more than one text fits; larger batches gain little. On a CPU they even
 * lose: texts of one batch are masked from each other at the attention's full cost.
 */
export const DENOISING_BATCH: Record<FreeMemory["device"], number> = { cpu: 128, gpu: 2048 };

interface DenoisingDemand {
  promptTokens: number;
  maxTokens: number;
  /** Texts that could be denoised side by side. */
  texts: number;
  /** Those that must be. */
  atOnce: number;
  cache: DiffusionCache;
  /** Whether each text is read a second time, with its prompt masked. */
  guidance: boolean;
}

export interface DenoisingRequest {
  model: ModelShape;
  demand: DenoisingDemand;
}

/**
 * Plans contexts that are in use together. Texts side by side share the passes of equal states, so
 * there are as many as fit. Throws `ERR_CONTEXT_FULL` and `ERR_OUT_OF_MEMORY`.
 */
export function planDenoising(
  requests: readonly DenoisingRequest[],
  free: FreeMemory,
): ContextPlan[] {
  for (const { model, demand } of requests) refuseTooLong(model, demand);
  const plansFor = (texts: number) =>
    requests.map((request) => planContext(request, Math.min(texts, request.demand.texts), free));
  const fits = (texts: number) => {
    const plans = plansFor(texts);
    return neededBytes(plans, free) <= usableBytes(plans, free);
  };
  const texts = largest(
    Math.min(MAX_TEXTS, Math.max(...requests.map((r) => r.demand.texts))),
    fits,
  );
  const least = Math.max(...requests.map(({ demand }) => demand.atOnce));
  if (texts < least) throw outOfMemory(plansFor(least), free);
  return plansFor(texts);
}

/** The sizes of native/diffusion/diffusion_session.cc. */
function planContext(
  { model, demand }: DenoisingRequest,
  texts: number,
  { device }: FreeMemory,
): ContextPlan {
  const length = demand.promptTokens + demand.maxTokens;
  const views = demand.guidance ? 2 : 1;
  const isCached = demand.cache !== "none";
  const all = texts * views * length;
  const sequences = texts * views + 1;
  const batchTokens = Math.max(views * length, Math.min(all, DENOISING_BATCH[device]), sequences);
  const cells = padCells(isCached ? all + length : batchTokens);
  const shape = {
    tokens: batchTokens,
    cells,
    outputs: batchTokens,
    flashAttention: false,
  };
  const kvCache = isCached ? cells * bytesPerCell(model) : 0;
  const copy = isCached && model.info.cachingArchitecture !== null ? model.info.sizeBytes : 0;
  const logits = batchTokens * bytesPerRow(model);
  const compute =
    device === "gpu"
      ? reservedComputeBytes(model, { ...shape, sequences })
      : computeBytes(model, shape);
  return {
    ...{ cells, sequences, batchTokens, outputs: batchTokens },
    parallel: texts,
    waves: Math.ceil(demand.texts / texts),
    kvType: isCached ? "f16" : "f32",
    streams: "unified",
    flashAttention: false,
    anyAttention: false,
    memory: contextMemory(model, { kvCache, logits, compute }, copy),
  };
}
