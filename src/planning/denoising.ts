/** Plans denoisers, as `contexts.ts` plans the contexts of autoregressive models. */
import { refuseTooLong } from "../engine/context-length.js";
import type { DiffusionCache } from "../engine/denoising-request.js";
import type { FreeMemory } from "../engine/engine.js";
import { largest } from "../engine/largest.js";
import type { ContextPlan, PlannedContexts } from "./context-plan.js";
import type { PlannedModel } from "./contexts.js";
import { fitInMemory, freeBytes, outOfMemory, type PlacedPlan } from "./memory.js";

export interface DenoisingDemand {
  promptTokens: number;
  maxTokens: number;
  /** The number of texts that could be denoised together. */
  texts: number;
  /** The number of texts that must be denoised together. */
  atOnce: number;
  cache: DiffusionCache;
  /** Whether each text is read a second time, with its prompt masked. */
  guidance: boolean;
}

interface DenoiserRequest {
  model: PlannedModel;
  demand: DenoisingDemand;
  free: FreeMemory;
}

/**
 * Plans denoisers that are used together. Texts that are denoised together share the passes of equal
 * states, so the plan has as many as fit. Throws `ERR_CONTEXT_FULL` or `ERR_OUT_OF_MEMORY`.
 */
export function planDenoising(
  wanted: readonly { model: PlannedModel; demand: DenoisingDemand }[],
): PlannedContexts {
  for (const { model, demand } of wanted) refuseTooLong(model.info, demand);
  const requests = wanted.map((request) => ({ ...request, free: request.model.freeMemory() }));
  const plansFor = (texts: number): PlacedPlan[] =>
    requests.map((request) => {
      return { ...request, plan: planDenoiser(request, Math.min(texts, request.demand.texts)) };
    });
  const most = Math.max(
    ...requests.map(({ model, demand }) => Math.min(demand.texts, model.limits.denoisedTexts)),
  );
  const texts = largest(most, (count) => fitInMemory(plansFor(count)));
  const least = Math.max(...requests.map(({ demand }) => demand.atOnce));
  if (texts < least) throw outOfMemory(plansFor(least));
  const contexts = plansFor(texts).map(({ plan }) => plan);
  return { contexts, freeBytes: freeBytes(requests) };
}

function planDenoiser({ model, demand, free }: DenoiserRequest, texts: number): ContextPlan {
  const { promptTokens, maxTokens, cache, guidance } = demand;
  const length = promptTokens + maxTokens;
  return {
    ...model.memoryOfDenoiser({ length, texts, cache, guidance }, free.place),
    parallel: texts,
    waves: Math.ceil(demand.texts / texts),
    flashAttention: false,
    anyAttention: false,
  };
}
