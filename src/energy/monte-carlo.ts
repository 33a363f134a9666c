import type { Completion } from "../rewards/reward.js";
import { groupCandidates, sumEnergies } from "./candidate-groups.js";
import type { EnergyEstimator, EstimatorOptions } from "./estimator.js";

/**
 * Plain Monte Carlo (METHOD §2, Algorithm 1): Ê(m) = (1/K) Σ_k exp(r(x_0(m, k)) / λ) with rollouts
 * of the reference policy; unbiased for every K.
 */
export function monteCarlo(options: EstimatorOptions): EnergyEstimator {
  const earlier: Completion[] = [];
  return async (chain, candidates, step) => {
    const groups = groupCandidates(candidates, options.shareDuplicates);
    const open = groups.filter(({ state }) => state.finishReason === null);
    const drawn = await chain.complete(
      open.map(({ state }) => state),
      options.rollouts,
      step,
      open.map(({ first }) => first),
    );
    const rolloutsOf = (group: (typeof groups)[number]) =>
      (drawn[open.indexOf(group)] ?? []).map((text) => ({ text, logRatio: 0 }));
    return sumEnergies(groups, rolloutsOf, step, earlier, options);
  };
}
