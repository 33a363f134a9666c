import type { Rollout } from "../chain/chain.js";
import type { Completion } from "../rewards/reward.js";
import { groupCandidates, StepMemory, sumEnergies } from "./candidate-groups.js";
import type { EnergyEstimator, EstimatorOptions } from "./estimator.js";

/**
 * Plain Monte Carlo (METHOD §2, Algorithm 1): Ê(m) = (1/K) Σ_k exp(r(x_0(m, k)) / λ) with rollouts
 * of the reference policy; unbiased for every K.
 */
export function monteCarlo(options: EstimatorOptions): EnergyEstimator {
  const history: Completion[][] = [];
  const memory = new StepMemory<Rollout[]>();
  return async (chain, candidates, step) => {
    const groups = groupCandidates(candidates, options.shareDuplicates);
    const drawn = memory.of(step);
    const open = groups.filter(
      ({ state, first }) => state.finishReason === null && !drawn.has(first),
    );
    const rollouts = await chain.complete(
      open.map(({ state }) => state),
      options.rollouts,
      step,
      open.map(({ first }) => first),
    );
    for (const [i, { first }] of open.entries()) drawn.set(first, rollouts[i] as Rollout[]);
    const rolloutsOf = ({ first }: (typeof groups)[number]) =>
      (drawn.get(first) ?? []).map((text) => ({ text, logRatio: 0 }));
    return sumEnergies(groups, rolloutsOf, step, history, options);
  };
}
