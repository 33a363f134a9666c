import type { Chain } from "../chain/chain.js";
import { type RolloutSource, weightedByTarget } from "./estimate.js";

/**
 * Plain Monte Carlo (the paper's Algorithm 1): K rollouts of the reference policy. Each has weight 1, or,
 * if a constraint conditions p_ref, the product of the masses of its tokens.
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
