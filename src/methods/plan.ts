/** What a run will need, known before it starts: contexts, memory, and a bound of its tokens. */
import {
  type ChainShape,
  chainDemand,
  particleDemand,
  rankDemand,
  redrawDemand,
} from "../chain/autoregressive.js";
import { proposalDemand } from "../chain/autoregressive-proposal.js";
import { type ContextPlan, type Demand, largest } from "../engine/capacity.js";
import { checkOneOf } from "../engine/check.js";
import { LlamaEtsError } from "../engine/errors.js";
import { type Model, planTogether } from "../engine/model.js";
import type { Prompt } from "../engine/prompt.js";
import { METHOD_NAMES, type MethodName, needsPrefixes } from "./method-names.js";
import {
  checkOptionNames,
  type MethodOptions,
  promptOptions,
  type ResolvedOptions,
  resolveOptions,
  type Settings,
} from "./options.js";
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
  const { method = options.proposal ? "ets-is" : "ets", ...rest } = options;
  checkOneOf("method", method, METHOD_NAMES);
  checkOptionNames(rest);
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
  if (needsPrefixes(method) && model.info.isDiffusion) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", `${method} needs an autoregressive model`);
  }
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
    find: ({ maxTokens }: Settings, isPlanned: IsPlanned) =>
      largestOf("maxTokens", maxTokens, isPlanned),
    otherwise: "a shorter prompt, or a model with a longer context",
  },
  ERR_OUT_OF_MEMORY: {
    find: ({ maxTokens, candidates }: Settings, isPlanned: IsPlanned) => [
      ...largestOf("maxTokens", maxTokens, isPlanned),
      ...largestOf("candidates", candidates, isPlanned),
    ],
    otherwise: "a shorter prompt, or a smaller model",
  },
  ERR_INVALID_OPTION: {
    find: ({ candidates }: Settings, isPlanned: IsPlanned) => [
      ...largestOf("candidates", candidates, isPlanned),
      ...(isPlanned({ steps: 1 }) ? ["steps: 1"] : []),
    ],
    otherwise: "fewer candidates",
  },
};

function largestOf(
  name: "maxTokens" | "candidates",
  current: number,
  isPlanned: IsPlanned,
): string[] {
  const most = largest(current - 1, (value) => isPlanned({ [name]: value }));
  return most > 0 ? [`${name}: ${most}`] : [];
}

function tryPlan(
  method: MethodName,
  model: Model,
  options: MethodOptions,
  promptTokens: number,
): PlannedRun {
  const resolved = resolveOptions(method, options, model, promptTokens);
  const { settings } = resolved;
  const { candidates, rollouts, steps, blockTokens, maxTokens } = settings;
  const { proposal } = options;
  const isScored = proposal !== undefined;
  const shape: ChainShape = {
    promptTokens,
    ...{ maxTokens, blockTokens, candidates, rollouts, isScored },
  };
  const own = Math.round(rollouts * settings.mixture);
  const { contexts, free } = planTogether([
    { model, demand: demandOf(method, shape) },
    ...(proposal ? [{ model: proposal, demand: proposalDemand(shape, own > 0) }] : []),
  ]);
  const bounds = boundTokens(method, settings, promptTokens);
  const [ofModel, ofProposal] = contexts.map((context, i): ModelPlan => {
    const tokens = bounds[i] as TokenBounds;
    return { ...context, tokens: withBudget(tokens, settings, context.parallel) };
  });
  const plan: Plan = {
    method,
    promptTokens,
    ...{ candidates, rollouts, steps, blockTokens, maxTokens },
    model: ofModel as ModelPlan,
    proposal: ofProposal ?? null,
    peakBytes: contexts.reduce((sum, { memory }) => sum + memory.total, 0),
    freeBytes: free.bytes,
  };
  return { resolved, plan };
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
function withBudget(tokens: TokenBounds, { budget }: Settings, parallel: number): TokenBounds {
  if (budget.tokens === undefined) return tokens;
  return { ...tokens, generated: Math.min(tokens.generated, budget.tokens + parallel - 1) };
}
