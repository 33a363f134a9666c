/**
 * Energies from rollouts of a cheaper proposal (the paper's Algorithm 2):
 *
 *   Ê(m) = (1/K) Σ_k w(m, k) exp(r(x_0(m, k)) / λ),  w = p_ref / p_proposal (rollout | x_s(m))
 *
 * The ratio covers only the rollout's tokens, including the end token, because p_ref drew the candidate's
 * block. Both distributions are those that are sampled, after temperature and truncation. Sums are in the
 * log domain and in double precision. With exact weights, Ê is unbiased for every K.
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
 * How ratios become weights: unchanged, Pareto-smoothed, or clipped to exp(±10) (biased). A rollout that
 * the reference can't draw always has weight 0.
 */
export type WeightTreatment = "exact" | "psis" | "clip";

export interface ImportanceOptions {
  /** K, for each candidate. */
  rollouts: number;
  weights: WeightTreatment;
  /**
   * Share of the K rollouts that p_ref draws itself, from 0 to 1, rounded to whole rollouts. All rollouts
   * are weighted by the balance heuristic, so no weight exceeds 1 / share.
   */
  mixture: number;
  /** The metrics that texts carry in addition to log-probabilities. The reference measures them. */
  metrics: readonly TokenMetric[];
}

/** The bound at which the paper's published code clips log ratios. */
const CLIP = 10;

/** Draws K rollouts of each state, some of them from the reference itself, and weights them. */
export function importanceSampling(
  chain: Chain,
  proposal: Proposal,
  { rollouts, weights, mixture, metrics }: ImportanceOptions,
): RolloutSource {
  const ownRollouts = Math.round(rollouts * mixture);
  /** The log ratio is log p_ref / ((1 - β) p_proposal + β p_ref), where β is the share that p_ref drew. */
  const logShare = Math.log(ownRollouts / rollouts);
  const logRest = Math.log1p(-ownRollouts / rollouts);
  /** `text` has the reference's values. With a conditioning constraint, `logTarget` isn't `logDrawn`. */
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
      // Rewards always get a text with its values under p_ref, whichever model drew it.
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

/** Turns log ratios into log weights. A weight of 0, outside p_ref's support, stays 0. */
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
