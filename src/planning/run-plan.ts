/** Plans a run before it starts: its contexts, its memory, and a bound of its tokens. */
import { refuseUnable } from "./abilities.js";
import type { ContextPlan, Demand, PlannedContexts } from "./context-plan.js";
import { type ContextRequest, planTogether, type RunModel } from "./contexts.js";
import { proposalDemand } from "./demands.js";
import { planDenoising } from "./denoising.js";
import type { PairForecast } from "./pair.js";
import type { DenoisingShape, RunShape } from "./run-shape.js";
import { type RunBounds, type TokenBounds, withinBudget } from "./token-bounds.js";

export interface ModelPlan extends ContextPlan {
  tokens: TokenBounds;
}

/** Why `auto` chose a method. */
export interface AutoReason {
  /** One sentence for the user. */
  because: string;
  /** The measurement on which the rule is based: a document, and a row in it. */
  evidence: string;
}

export interface Plan {
  /** The method's name. */
  method: string;
  /** Absent if the user chose the method. */
  auto?: AutoReason;
  promptTokens: number;
  candidates: number;
  rollouts: number;
  steps: number;
  blockTokens: number;
  maxTokens: number;
  model: ModelPlan;
  /** For ETS-IS, the plan of the model that draws the rollouts; otherwise null. */
  proposal: ModelPlan | null;
  /** How close the proposal is to the reference, if this was requested. */
  pair?: PairForecast;
  /** Predicted peak of memory, in bytes: weights and contexts of both models. */
  peakBytes: number;
  /** Free bytes in the place of the contexts; on a CPU without swap, the weights count as free. */
  freeBytes: number;
}

/** The input that a method gives the planner. */
export interface RunNeeds {
  /** The method's name. */
  method: string;
  model: RunModel;
  /** The model that draws the rollouts; null without one. */
  proposal: RunModel | null;
  shape: RunShape;
  /** The demand, if the model is autoregressive. */
  demand: Demand;
  bounds: RunBounds;
  /** Whether a diffusion model must keep the keys and values of all texts at once. */
  keepsAllTexts: boolean;
  /** The number of texts to which a batch adds a token, for the bound with a budget; null: `parallel`. */
  drawnAtOnce: number | null;
  /** The largest number of tokens to generate; undefined: no limit. */
  budgetTokens: number | undefined;
  /** The parts of shared contexts that the run may take. Default: the run makes its own contexts. */
  within?: RunParts | undefined;
}

/** The parts of the contexts of the run's model and of its proposal: see `ContextRequest`. */
export type RunParts = readonly ContextRequest["within"][];

/**
 * Plans a run.
 *
 * @throws LlamaEtsError `ERR_CONTEXT_FULL`, `ERR_OUT_OF_MEMORY`, `ERR_INVALID_OPTION`
 */
export function planRun(needs: RunNeeds): Plan {
  const { method, model, proposal, shape, bounds, drawnAtOnce, budgetTokens } = needs;
  const { promptTokens, candidates, rollouts, steps, blockTokens, maxTokens, denoising } = shape;
  const { contexts, freeBytes } =
    denoising === null ? planTexts(needs) : planDenoised(needs, denoising);
  const [ofModel, ofProposal] = contexts.map((context, i): ModelPlan => {
    const tokens = bounds[i] as TokenBounds;
    const atOnce = drawnAtOnce ?? context.parallel;
    return {
      ...context,
      tokens:
        budgetTokens === undefined ? tokens : withinBudget(tokens, shape, budgetTokens, atOnce),
    };
  });
  return {
    method,
    promptTokens,
    candidates,
    rollouts,
    steps,
    blockTokens,
    maxTokens,
    model: ofModel as ModelPlan,
    proposal: ofProposal ?? null,
    peakBytes: peakOf(contexts, proposal === model),
    freeBytes,
  };
}

function planTexts({ method, model, proposal, shape, demand, within }: RunNeeds): PlannedContexts {
  const [own, ofProposal] = within ?? [];
  const wanted = [
    { model, demand, within: own },
    ...(proposal ? [{ model: proposal, demand: proposalDemand(shape), within: ofProposal }] : []),
  ];
  for (const { model, demand } of wanted) refuseUnable(method, model, demand.uses ?? []);
  return planTogether(wanted);
}

function planDenoised(needs: RunNeeds, own: DenoisingShape): PlannedContexts {
  const { model, proposal, shape, keepsAllTexts } = needs;
  const { promptTokens, candidates, rollouts, steps, maxTokens } = shape;
  const texts = steps === 1 ? candidates : candidates * Math.max(1, rollouts);
  const demandOf = ({ cache, guidance }: DenoisingShape) => ({
    promptTokens,
    maxTokens,
    texts,
    cache,
    guidance,
    atOnce: keepsAllTexts && cache !== "none" ? texts : 1,
  });
  const ofProposal = shape.proposal?.denoising ?? null;
  return planDenoising([
    { model, demand: demandOf(own) },
    ...(proposal && ofProposal ? [{ model: proposal, demand: demandOf(ofProposal) }] : []),
  ]);
}

/** The peak of memory. If the model is its own proposal, its weights count once. */
function peakOf(contexts: readonly ContextPlan[], isShared: boolean): number {
  const total = contexts.reduce((sum, { memory }) => sum + memory.total, 0);
  const { weights = 0, vocabulary = 0 } = (isShared && contexts[0]?.memory) || {};
  return total - weights - vocabulary;
}
