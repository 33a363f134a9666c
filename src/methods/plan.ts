/** What a run will need, known before it starts: contexts, memory, and a bound of its tokens. */
import {
  type ChainShape,
  chainDemand,
  particleDemand,
  rankDemand,
  redrawDemand,
} from "../chain/autoregressive.js";
import { proposalDemand } from "../chain/autoregressive-proposal.js";
import type { DenoisingSettings } from "../chain/denoising.js";
import { checkOneOf } from "../engine/check.js";
import { LlamaEtsError } from "../engine/errors.js";
import { type Model, planTogether } from "../engine/local/model.js";
import type { Prompt } from "../engine/prompt.js";
import {
  type ContextPlan,
  type Demand,
  type FreeMemory,
  freeMemory,
  largest,
} from "../planning/capacity.js";
import { planDenoising } from "../planning/diffusion-capacity.js";
import { checkDiffusionMethod, METHOD_NAMES, type MethodName } from "./method-names.js";
import type { MethodOptions, ResolvedOptions, Settings } from "./options.js";
import { withPreset } from "./preset.js";
import { checkOptionNames, promptOptions, resolveOptions } from "./resolve-options.js";
import { boundTokens, type TokenBounds } from "./token-bounds.js";

export interface ModelPlan extends ContextPlan {
  tokens: TokenBounds;
}

export interface Plan {
  method: MethodName;
  promptTokens: number;
  candidates: number;
  rollouts: number;
  steps: number;
  blockTokens: number;
  maxTokens: number;
  model: ModelPlan;
  /** ETS-IS: the model that draws the rollouts. */
  proposal: ModelPlan | null;
  /** Predicted peak: weights and contexts of both models, in bytes. */
  peakBytes: number;
  /** Free where the contexts are made, in bytes; on a CPU without swap the weights count as free. */
  freeBytes: number;
}

/** A plan, and the options it is for. */
export interface PlannedRun {
  resolved: ResolvedOptions;
  plan: Plan;
}

/**
 * What a method would need for a prompt; nothing is drawn.
 *
 * @example
 * const { peakBytes, model: { tokens } } = await plan(model, "What is 6 * 7?", { candidates: 16 });
 *
 * @param options the method's, and its name (default: ets, or ets-is with a proposal)
 * @throws LlamaEtsError as the method would, with what would fit: `ERR_CONTEXT_FULL`,
 *   `ERR_OUT_OF_MEMORY`, `ERR_INVALID_OPTION`
 */
export async function plan(
  model: Model,
  prompt: Prompt,
  options: MethodOptions & { method?: MethodName } = {},
): Promise<Plan> {
  const { method = options.proposal ? "ets-is" : "ets", ...given } = options;
  checkOneOf("method", method, METHOD_NAMES);
  checkOptionNames(given);
  const rest = withPreset(method, given, model);
  const { tokens } = await model.encodePrompt(prompt, promptOptions(rest));
  return planRun(method, model, rest, tokens.length).plan;
}

/** Resolves the options and plans the run. What doesn't fit is refused with what would. */
export function planRun(
  method: MethodName,
  model: Model,
  options: MethodOptions,
  promptTokens: number,
): PlannedRun {
  try {
    return tryPlan(method, model, options, promptTokens);
  } catch (error) {
    if (!(error instanceof LlamaEtsError) || !(error.code in CURES)) throw error;
    const isPlanned = (cure: Partial<MethodOptions>) => {
      const { blockTokens, ...others } = options;
      const kept = blockTokens === undefined || "steps" in cure ? others : options;
      try {
        tryPlan(method, model, { ...kept, ...cure }, promptTokens);
        return true;
      } catch {
        return false;
      }
    };
    const { settings } = resolveOptions(method, options, model, promptTokens);
    const { find, otherwise } = CURES[error.code as keyof typeof CURES];
    const cures = find(settings, isPlanned);
    const fix = cures.length > 0 ? cures.join(" or ") : otherwise;
    throw new LlamaEtsError(error.code, error.message, { fix, cause: error });
  }
}

type IsPlanned = (cure: Partial<MethodOptions>) => boolean;

/** By error: the changes of one option that make the plan fit, as large as they may be. */
const CURES = {
  ERR_CONTEXT_FULL: {
    find: (settings: Settings, isPlanned: IsPlanned) => longestOf(settings, isPlanned),
    otherwise: "a shorter prompt, or a model with a longer context",
  },
  ERR_OUT_OF_MEMORY: {
    find: (settings: Settings, isPlanned: IsPlanned) => [
      ...longestOf(settings, isPlanned),
      ...mostOf(settings, isPlanned),
    ],
    otherwise: "a shorter prompt, or a smaller model",
  },
  ERR_INVALID_OPTION: {
    find: (settings: Settings, isPlanned: IsPlanned) => [
      ...mostOf(settings, isPlanned),
      ...(isPlanned({ steps: 1 }) ? ["steps: 1"] : []),
    ],
    otherwise: "fewer candidates",
  },
};

/** A diffusion model's answer has whole blocks. */
function longestOf({ maxTokens, diffusion }: Settings, isPlanned: IsPlanned): string[] {
  const unit = diffusion?.blockLength ?? 1;
  const units = Math.ceil(maxTokens / unit) - 1;
  const most = unit * largest(units, (count) => isPlanned({ maxTokens: count * unit }));
  return most > 0 ? [`maxTokens: ${most}`] : [];
}

function mostOf({ candidates: current }: Settings, isPlanned: IsPlanned): string[] {
  const most = largest(current - 1, (candidates) => isPlanned({ candidates }));
  return most > 0 ? [`candidates: ${most}`] : [];
}

function tryPlan(
  method: MethodName,
  model: Model,
  options: MethodOptions,
  promptTokens: number,
): PlannedRun {
  const resolved = resolveOptions(method, options, model, promptTokens);
  const { settings } = resolved;
  const { candidates, rollouts, steps, blockTokens, maxTokens, diffusion } = settings;
  if (diffusion !== null) checkDiffusionMethod(method, diffusion);
  const { proposal } = options;
  const { contexts, free } =
    diffusion === null
      ? planTexts(method, model, proposal, settings, promptTokens)
      : planDenoised(method, model, proposal, settings, promptTokens);
  const bounds = boundTokens(method, settings, promptTokens);
  const [ofModel, ofProposal] = contexts.map((context, i): ModelPlan => {
    const tokens = bounds[i] as TokenBounds;
    // Beside the hypotheses that go on, as many may end.
    const atOnce = method === "beam" ? 2 * candidates : context.parallel;
    return { ...context, tokens: withBudget(tokens, settings, atOnce) };
  });
  const plan: Plan = {
    method,
    promptTokens,
    ...{ candidates, rollouts, steps, blockTokens, maxTokens },
    model: ofModel as ModelPlan,
    proposal: ofProposal ?? null,
    peakBytes: peakOf(contexts, proposal === model),
    freeBytes: free.bytes,
  };
  return { resolved, plan };
}

interface PlannedContexts {
  contexts: ContextPlan[];
  free: FreeMemory;
}

function planTexts(
  method: MethodName,
  model: Model,
  proposal: Model | undefined,
  settings: Settings,
  promptTokens: number,
): PlannedContexts {
  const { candidates, rollouts, blockTokens, maxTokens, mixture } = settings;
  const isScored = proposal !== undefined;
  const shape: ChainShape = {
    promptTokens,
    ...{ maxTokens, blockTokens, candidates, rollouts, isScored },
  };
  const own = Math.round(rollouts * mixture);
  return planTogether([
    { model, demand: demandOf(method, shape) },
    ...(proposal ? [{ model: proposal, demand: proposalDemand(shape, own > 0) }] : []),
  ]);
}

function planDenoised(
  method: MethodName,
  model: Model,
  proposal: Model | undefined,
  settings: Settings,
  promptTokens: number,
): PlannedContexts {
  const { candidates, rollouts, steps, maxTokens } = settings;
  const texts = steps === 1 ? candidates : candidates * rollouts;
  const demandOf = ({ cache, cfgScale }: DenoisingSettings) => ({
    ...{ promptTokens, maxTokens, texts, cache, guidance: cfgScale > 0 },
    // A search keeps keys and values of all its hypotheses.
    atOnce: method === "beam" && cache !== "none" ? texts : 1,
  });
  const { diffusion, proposalDiffusion } = settings;
  const { bytes, ...place } = freeMemory();
  const loaded = [...new Set([model, ...(proposal ? [proposal] : [])])];
  const free = { ...place, bytes: loaded.reduce((sum, m) => sum + m.cachingBytes, bytes) };
  const contexts = planDenoising(
    [
      ...(diffusion ? [{ model, demand: demandOf(diffusion) }] : []),
      ...(proposal && proposalDiffusion
        ? [{ model: proposal, demand: demandOf(proposalDiffusion) }]
        : []),
    ],
    free,
  );
  return { contexts, free };
}

/** A model that is its own proposal is in memory once. */
function peakOf(contexts: readonly ContextPlan[], isShared: boolean): number {
  const total = contexts.reduce((sum, { memory }) => sum + memory.total, 0);
  const { weights = 0, vocabulary = 0 } = (isShared && contexts[0]?.memory) || {};
  return total - weights - vocabulary;
}

function demandOf(method: MethodName, shape: ChainShape): Demand {
  switch (method) {
    case "beam":
      return rankDemand(shape);
    case "power":
    case "mh":
      return redrawDemand(shape);
    case "particle":
      return particleDemand(shape);
    default:
      return chainDemand(shape);
  }
}

/** A budget is looked at between batches, of which one may pass it. */
function withBudget(
  tokens: TokenBounds,
  { budget, diffusion, maxTokens }: Settings,
  parallel: number,
): TokenBounds {
  if (budget.tokens === undefined) return tokens;
  const { blockLength = 1, denoisingSteps = maxTokens } = diffusion ?? {};
  const pace = diffusion?.parallel ? blockLength : Math.ceil(maxTokens / denoisingSteps);
  const most = budget.tokens + parallel * pace - 1;
  return { ...tokens, generated: Math.min(tokens.generated, most) };
}
