/** Computes what runs of different kinds need from an autoregressive model's context, given their shapes. */
import type { Demand } from "./context-plan.js";
import type { RunShape } from "./run-shape.js";

/** The demand of a chain that keeps a state and its candidates, and runs their rollouts. */
export function chainDemand(shape: RunShape): Demand {
  const { promptTokens, maxTokens, blockTokens, leastTokens, candidates, rollouts } = shape;
  const { proposal } = shape;
  const isOneStep = leastTokens >= maxTokens;
  const isScored = proposal !== null;
  return {
    promptTokens,
    maxTokens,
    // Without rollouts, only the candidates are drawn, block by block.
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

/** The demand of N particles with little common text, the states that they continue, and rollouts. */
export function particleDemand(shape: RunShape): Demand {
  const { maxTokens, blockTokens, candidates } = shape;
  return {
    ...chainDemand(shape),
    held: 2 * candidates + 1,
    heldTokens: candidates * maxTokens,
    continuedTokens: Math.max(blockTokens, continuedBy(shape)),
  };
}

/** The most tokens that a rollout adds to its candidate, or, without rollouts, a candidate to its state. */
function continuedBy({ maxTokens, blockTokens, leastTokens, rollouts }: RunShape): number {
  if (leastTokens >= maxTokens) return maxTokens;
  return rollouts === 0 ? Math.min(blockTokens, maxTokens) : maxTokens - leastTokens;
}

/**
 * The demand of texts whose ends are drawn again: the texts, their kept parts, and the new texts. If
 * texts can't be cut, they are not kept, and their kept parts are read again.
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

/** The demand of a beam search: the hypotheses and their extensions. */
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

/** The demand of a proposal. It keeps the new prefixes and the one they continue, and runs the rollouts. */
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
