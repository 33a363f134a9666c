import type { ChainState } from "../chain/chain.js";
import type { EnergyEstimator, Estimate } from "../energy/estimator.js";
import type { Run } from "./run.js";

export interface DrawnStep {
  candidates: ChainState[];
  /** Of the candidates, but for those that the budget cut off; null when it left no estimate. */
  estimate: Estimate | null;
}

/**
 * A step's candidates and their energies. An adaptive run draws them in rounds, until the reward
 * calls the step settled or it has `candidates` of them.
 */
export async function drawStep(
  run: Run,
  state: ChainState,
  step: number,
  estimateEnergies: EnergyEstimator,
): Promise<DrawnStep> {
  const { candidates: most, adaptive } = run.settings;
  // A reward that never settles would only be asked about the same texts again and again.
  const round = adaptive !== null && run.reward.isSettled ? adaptive.round : most;
  const candidates: ChainState[] = [];
  let estimate: Estimate | null = null;
  do {
    const first = candidates.length;
    const count = Math.min(round, most - first);
    // x_s(m) ~ p_ref(· | x_t)
    candidates.push(...(await run.chain.advance(state, count, step, first)));
    if (run.isOutOfBudget) break;
    // Ê(m) ≈ E[exp(r(x_0) / λ)], x_0 ~ p_ref(· | x_s(m))
    estimate = await estimateEnergies(run.chain, candidates, step);
  } while (candidates.length < most && !estimate.isSettled && !run.isOutOfBudget);
  return { candidates, estimate };
}
