/** What runs of different kinds ask of an autoregressive model's context, by their shape. */
import type { Demand } from "./context-plan.js";
import type { RunShape } from "./run-shape.js";

/** A chain that keeps a state and its candidates, and runs their rollouts. */
export function chainDemand(shape: RunShape): Demand {
  const { promptTokens, maxTokens, blockTokens, leastTokens, candidates, rollouts } = shape;
  const { proposal } = shape;
  const isOneStep = leastTokens >= maxTokens;
  const isScored = proposal !== null;
  return {
    promptTokens,
    maxTokens,
    // Without rollouts the candidates alone are drawn, block by block.
    parallel: isOneStep ? candidates : candidates * Math.max(1, rollouts),
    ...(!isOneStep && proposal?.resamples && { together: rollouts }),
    held: isOneStep ? 1 : candidates + 1,
    heldTokens: isOneStep ? 0 : candidates * blockTokens,
    continuedTokens: continuedBy(shape),
    scores: isScored,
    comparesLogProbs: isScored, // under importance sampling
    uses: [...(isOneStep ? [] : ["fork" as const]), ...(isScored ? ["score" as const] : [])],
  };
}

/** N particles whose texts have little in common, the states they come from, and rollouts. */
export function particleDemand(shape: RunShape): Demand {
  const { maxTokens, blockTokens, candidates } = shape;
  return {
    ...chainDemand(shape),
    held: 2 * candidates + 1,
    heldTokens: candidates * maxTokens,
    continuedTokens: Math.max(blockTokens, continuedBy(shape)),
  };
}

/** The most tokens that a rollout adds to its candidate, or without one a candidate to its state. */
function continuedBy({ maxTokens, blockTokens, leastTokens, rollouts }: RunShape): number {
  if (leastTokens >= maxTokens) return maxTokens;
  return rollouts === 0 ? Math.min(blockTokens, maxTokens) : maxTokens - leastTokens;
}

/**
 * Texts, what is kept of them when their ends are drawn anew, and what that gives. Texts that can't
 * be cut are not kept: the part is read again.
 */
export function redrawDemand(shape: RunShape): Demand {
  const { maxTokens, candidates, cuts } = shape;
  return {
    ...chainDemand(shape),
    parallel: candidates,
    held: (cuts ? 3 : 1) * candidates + 1,
    heldTokens: candidates * (cuts ? 2 * maxTokens + 1 : maxTokens),
    continuedTokens: maxTokens,
    ...(!cuts && { readTokens: candidates * maxTokens }),
    uses: ["fork"],
  };
}

/** Hypotheses, and those that they are extended to. */
export function rankDemand(shape: RunShape): Demand {
  const { maxTokens, candidates } = shape;
  return {
    ...chainDemand(shape),
    parallel: candidates,
    held: 2 * candidates + 1,
    heldTokens: candidates * (maxTokens + 1),
    continuedTokens: 0,
    uses: ["fork", "rank"],
  };
}

/** A proposal that keeps the new prefixes and the one they continue, and runs the rollouts. */
export function proposalDemand({ proposal, ...shape }: RunShape): Demand {
  const { promptTokens, maxTokens, candidates, rollouts } = shape;
  const block = Math.min(shape.blockTokens, maxTokens);
  return {
    promptTokens,
    maxTokens,
    parallel: candidates * rollouts,
    ...(proposal?.resamples && { together: rollouts }),
    held: candidates + 2,
    heldTokens: (candidates + 1) * block,
    continuedTokens: maxTokens - Math.min(shape.leastTokens, maxTokens),
    readTokens: candidates * block,
    scores: (proposal?.ownRollouts ?? 0) > 0,
    comparesLogProbs: true,
    uses: ["fork", ...((proposal?.ownRollouts ?? 0) > 0 ? ["score" as const] : [])],
  };
}
