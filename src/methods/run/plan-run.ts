/** Plans a run from a method and its options. */
import { answerUnit, type DenoisingSettings } from "../../chain/denoising.js";
import type { Model } from "../../engine/engine.js";
import { LlamaEtsError } from "../../engine/errors.js";
import type { RunModel } from "../../planning/contexts.js";
import { type Change, planOrCure } from "../../planning/cures.js";
import { type Plan, planRun as planNeeds, type RunParts } from "../../planning/run-plan.js";
import type { DenoisingShape, RunShape } from "../../planning/run-shape.js";
import type { MethodFacts } from "../method.js";
import type { CompiledOptions } from "../options/given.js";
import type { OwnOptions, ValuesOf } from "../options/option.js";
import { resolveOptions } from "../options/resolve.js";
import type { Resolved } from "../options/settings.js";

/** A plan, and the options it is for. */
export interface PlannedRun<Own> {
  resolved: Resolved<Own>;
  plan: Plan;
}

/** A model whose runs can be planned, loaded or not. */
export type PlannableModel = RunModel & Pick<Model, "matchTokenizer">;

/**
 * Resolves the options and plans the run. If it doesn't fit, the error's fix names settings that would.
 *
 * @param within the parts of shared contexts that the run may take; default: its own contexts
 * @throws LlamaEtsError `ERR_CONTEXT_FULL`, `ERR_OUT_OF_MEMORY`, `ERR_INVALID_OPTION`
 */
export function planRun<O extends OwnOptions>(
  method: MethodFacts<O>,
  model: PlannableModel,
  options: CompiledOptions,
  promptTokens: number,
  within?: RunParts,
): PlannedRun<ValuesOf<O>> {
  return planOrCure(
    (change) => tryPlan(method, model, withChange(options, change), promptTokens, within),
    () => {
      const { guidance, limits, denoising } = resolveOptions(method, options, model, promptTokens);
      const unit = denoising ? answerUnit(denoising) : 1;
      return { candidates: guidance.candidates, maxTokens: limits.maxTokens, unit };
    },
  );
}

/** The options with a change. A changed `steps` replaces `blockTokens`. */
function withChange(options: CompiledOptions, change: Change | undefined): CompiledOptions {
  if (change === undefined) return options;
  const { blockTokens, ...others } = options;
  const isKept = blockTokens !== undefined && !("steps" in change);
  return { ...others, ...(isKept && { blockTokens }), ...change };
}

function tryPlan<O extends OwnOptions>(
  method: MethodFacts<O>,
  model: PlannableModel,
  options: CompiledOptions,
  promptTokens: number,
  within: RunParts | undefined,
): PlannedRun<ValuesOf<O>> {
  const resolved = resolveOptions(method, options, model, promptTokens);
  const { denoising, own, limits } = resolved;
  const refusal = denoising && method.refusesDiffusion?.(denoising);
  if (refusal) throw new LlamaEtsError("ERR_INVALID_OPTION", refusal.message, refusal);
  const shape = shapeOf(resolved, model, promptTokens);
  const plan = planNeeds({
    method: method.name,
    model,
    proposal: options.proposal ?? null,
    shape,
    demand: method.demand(shape),
    bounds: method.bounds(shape, own),
    keepsAllTexts: method.keepsAllTexts ?? false,
    drawnAtOnce: method.drawnAtOnce?.(shape) ?? null,
    budgetTokens: limits.budgetOptions.tokens,
    within,
  });
  return { resolved, plan };
}

function shapeOf(
  { guidance, energy, denoising, limits }: Resolved,
  { can: { cut } }: Pick<Model, "can">,
  promptTokens: number,
): RunShape {
  const { candidates, rollouts, steps, blockTokens, leastTokens } = guidance;
  const { proposal, answerEnd } = energy;
  return {
    promptTokens,
    candidates,
    rollouts,
    steps,
    blockTokens,
    leastTokens,
    maxTokens: limits.maxTokens,
    rereads: answerEnd !== null && steps > 1,
    cuts: cut,
    proposal: proposal && {
      ownRollouts: Math.round(rollouts * proposal.mixture),
      scoresOwn: proposal.ratio === "one-pass",
      resamples: proposal.resampleEvery !== null,
      denoising: proposal.denoising && denoisingShape(proposal.denoising),
    },
    denoising: denoising && denoisingShape(denoising),
  };
}

function denoisingShape(settings: DenoisingSettings): DenoisingShape {
  const { blockLength, denoisingSteps, cache, cfgScale, parallel } = settings;
  return {
    blockLength,
    denoisingSteps,
    cache,
    guidance: cfgScale > 0,
    parallel: parallel !== null,
  };
}
