import type { Chain } from "../chain/chain.js";
import { type RolloutSource, weightedByTarget } from "./estimate.js";

/**
 * Plain Monte Carlo (the paper's Algorithm 1): K rollouts of the reference policy, each of weight 1, or
 * of the mass of what a constraint allowed on its way, where that conditions p_ref.
 * Ê(m) = (1/K) Σ_k exp(r(x_0(m, k)) / λ) is unbiased for every K.
 */
export function monteCarlo(chain: Chain, rollouts: number): RolloutSource {
  return {
    async draw(states, step, numbers) {
      const drawn = await chain.complete(states, rollouts, step, numbers);
      return drawn.map(weightedByTarget);
    },
  };
}
