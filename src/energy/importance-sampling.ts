/**
 * Energies from rollouts of a cheaper proposal (the paper's Algorithm 2):
 *
 *   Ê(m) = (1/K) Σ_k w(m, k) exp(r(x_0(m, k)) / λ),  w = p_ref / p_proposal (rollout | x_s(m))
 *
 * The ratio covers the rollout's tokens alone, the end token included: the candidate's block was
 * drawn from p_ref. Both are the distributions sampled, after temperature and truncation; sums are
 * in log domain and double precision. With exact weights Ê is unbiased for every K.
 */
import type { Chain, ChainState, Proposal, Rollout } from "../chain/chain.js";
import { unmeasured } from "../chain/token-values.js";
import type { TokenMetric } from "../engine/sequences.js";
import type { WeightedRollout } from "./candidate-groups.js";
import { diagnose } from "./diagnostics.js";
import type { RolloutSource } from "./estimate.js";
import { logSumExp } from "./log-domain.js";
import { smoothWeights } from "./psis.js";

/**
 * How ratios become weights: as they are, Pareto-smoothed, or clipped to exp(±10) (biased). What the
 * reference can't draw weighs nothing in each.
 */
export type WeightTreatment = "exact" | "psis" | "clip";

export interface ImportanceOptions {
  /** K, for each candidate. */
  rollouts: number;
  weights: WeightTreatment;
  /**
   * Share of the K rollouts that p_ref draws itself, rounded to whole rollouts, 0 to 1. All are
   * then weighted by the balance heuristic, and no weight exceeds 1 / share.
   */
  mixture: number;
  /** What texts carry besides log-probabilities, as the reference measures it. */
  metrics: readonly TokenMetric[];
}

/** The published code's clipping of log ratios. */
const CLIP = 10;

/** K rollouts of each state, some of them the reference's own, with log p_ref / p_proposal. */
export function importanceSampling(
  chain: Chain,
  proposal: Proposal,
  { rollouts, weights, mixture, metrics }: ImportanceOptions,
): RolloutSource {
  const ownRollouts = Math.round(rollouts * mixture);
  /** log of p_ref / ((1 - β) p_proposal + β p_ref), β the share that p_ref drew. */
  const logShare = Math.log(ownRollouts / rollouts);
  const logRest = Math.log1p(-ownRollouts / rollouts);
  /** `text` is the reference's; where masses weigh, p_ref is not what it draws from. */
  const weighted = (text: Rollout, logProposal: number): WeightedRollout => {
    const { logDrawn, logTarget = logDrawn } = text;
    const logRatio = logTarget - logSumExp([logShare + logDrawn, logRest + logProposal]);
    return { text, logRatio: logTarget === Number.NEGATIVE_INFINITY ? logTarget : logRatio };
  };

  return {
    async draw<S extends ChainState>(
      states: readonly S[],
      step: number,
      numbers: readonly number[],
    ): Promise<WeightedRollout[][]> {
      const proposed = await proposal.complete(states, rollouts - ownRollouts, step, numbers);
      const own = await chain.complete(states, ownRollouts, step, numbers);
      if (proposal.isOutOfBudget || chain.isOutOfBudget) {
        return states.map((_, i) =>
          [...(proposed[i] ?? []).map((text) => unmeasured(text, metrics)), ...(own[i] ?? [])].map(
            (text) => ({ text, logRatio: 0 }),
          ),
        );
      }
      // A reward is of the text under p_ref, whoever drew it.
      const rescored = await chain.score(states, proposed);
      const scoredBack = await proposal.score(states, own);
      return states.map((_, i) => [
        ...(rescored[i] ?? []).map((text, k) =>
          weighted(text, proposed[i]?.[k]?.logDrawn as number),
        ),
        ...(own[i] ?? []).map((text, k) => weighted(text, scoredBack[i]?.[k]?.logDrawn as number)),
      ]);
    },
    weigh: (ratios) => ({
      logWeights: treatWeights(
        ratios.map(({ logRatio }) => logRatio),
        weights,
      ),
      importance: diagnose(ratios),
    }),
  };
}

/** Log ratios as they are to weigh. A weight of 0, outside p_ref's support, stays 0. */
export function treatWeights(logRatios: readonly number[], treatment: WeightTreatment): number[] {
  if (treatment === "exact") return [...logRatios];
  const inside = logRatios.filter(Number.isFinite);
  const treated =
    treatment === "clip"
      ? inside.map((x) => Math.min(Math.max(x, -CLIP), CLIP))
      : smoothWeights(inside).logWeights;
  const next = treated.values();
  return logRatios.map((x) => (Number.isFinite(x) ? (next.next().value as number) : x));
}
