/**
 * Energies from rollouts of a cheaper proposal (METHOD §3, Algorithm 2):
 *
 *   Ê(m) = (1/K) Σ_k w(m, k) exp(r(x_0(m, k)) / λ),  w = p_ref / p_proposal (rollout | x_s(m))
 *
 * The ratio covers the rollout's tokens alone, the end token included: the candidate's block was
 * drawn from p_ref. Both are the distributions sampled, after temperature and truncation; sums are
 * in log domain and double precision. With exact weights Ê is unbiased for every K.
 */
import type { ChainState, Proposal, Rollout } from "../chain/chain.js";
import { unmeasured } from "../chain/token-values.js";
import type { Completion } from "../rewards/reward.js";
import {
  type CandidateGroup,
  groupCandidates,
  StepMemory,
  sumEnergies,
  type WeightedRollout,
} from "./candidate-groups.js";
import { diagnose } from "./diagnostics.js";
import type { EnergyEstimator, EstimatorOptions } from "./estimator.js";
import { logSumExp } from "./log-domain.js";
import { smoothWeights } from "./psis.js";

/** How ratios become weights: as they are, Pareto-smoothed, or clipped to exp(±10) (biased). */
export type WeightTreatment = "exact" | "psis" | "clip";

export interface ImportanceOptions extends EstimatorOptions {
  proposal: Proposal;
  weights: WeightTreatment;
  /**
   * Share of the K rollouts that p_ref draws itself, rounded to whole rollouts, 0 to 1. All are
   * then weighted by the balance heuristic, and no weight exceeds 1 / share.
   */
  mixture: number;
}

/** The published code's clipping of log ratios. */
const CLIP = 10;

export function importanceSampling(options: ImportanceOptions): EnergyEstimator {
  const { proposal, rollouts, weights, reward } = options;
  const { metrics = [] } = reward;
  const ownRollouts = Math.round(rollouts * options.mixture);
  const history: Completion[][] = [];
  const memory = new StepMemory<WeightedRollout[]>();

  return async (chain, candidates, step) => {
    const groups = groupCandidates(candidates, options.shareDuplicates);
    const known = memory.of(step);
    const open = groups.filter(
      ({ state, first }) => state.finishReason === null && !known.has(first),
    );
    const states = open.map(({ state }) => state);
    const numbers = open.map(({ first }) => first);

    const fromProposal = await proposal.complete(states, rollouts - ownRollouts, step, numbers);
    const fromReference = await chain.complete(states, ownRollouts, step, numbers);
    const isCutOff = proposal.isOutOfBudget || chain.isOutOfBudget;
    // A reward is of the text under p_ref, whoever drew it.
    const rescored = isCutOff
      ? fromProposal.map((texts) => texts.map((text) => unmeasured(text, metrics)))
      : await chain.score(states, fromProposal);
    const ratios = isCutOff ? [] : await ratiosOf(rescored, fromProposal, fromReference);
    for (const [i, { first }] of open.entries()) {
      const texts = [...(rescored[i] ?? []), ...(fromReference[i] ?? [])];
      known.set(
        first,
        texts.map((text, k) => ({ text, logRatio: ratios[i]?.[k] ?? 0 })),
      );
    }
    const logRatios = [...known.values()].flat().map(({ logRatio }) => logRatio);
    const treated = treatWeights(logRatios, weights);
    const weighted = new Map<number, WeightedRollout[]>();
    for (const [first, rollouts] of known) {
      const logWeights = treated.splice(0, rollouts.length);
      weighted.set(
        first,
        rollouts.map(({ text }, k) => ({ text, logRatio: logWeights[k] as number })),
      );
    }
    const rolloutsOf = ({ first }: CandidateGroup<unknown>) => weighted.get(first) ?? [];
    const estimate = await sumEnergies(groups, rolloutsOf, step, history, options);
    const diagnostics = diagnose(
      [...known].flatMap(([first, rollouts]) => {
        const { tokens } = candidates[first] as ChainState;
        return rollouts.map(({ text, logRatio }) => ({
          name: `${tokens.join()} → ${text.tokens.join()}`,
          logRatio,
        }));
      }),
    );
    return diagnostics === null ? estimate : { ...estimate, importance: diagnostics };

    /** log of p_ref / ((1 - β) p_proposal + β p_ref), β the share that p_ref drew. */
    async function ratiosOf(
      rescored: Rollout[][],
      fromProposal: Rollout[][],
      fromReference: Rollout[][],
    ): Promise<number[][]> {
      const scoredBack = await proposal.score(states, fromReference);
      const logShare = Math.log(ownRollouts / rollouts);
      const logRest = Math.log1p(-ownRollouts / rollouts);
      const ratio = (logRef: number, logProposal: number) =>
        logRef - logSumExp([logShare + logRef, logRest + logProposal]);
      return states.map((_, i) => [
        ...(rescored[i] ?? []).map(({ logDrawn }, k) =>
          ratio(logDrawn, fromProposal[i]?.[k]?.logDrawn as number),
        ),
        ...(fromReference[i] ?? []).map(({ logDrawn }, k) =>
          ratio(logDrawn, scoredBack[i]?.[k]?.logDrawn as number),
        ),
      ]);
    }
  };
}

function treatWeights(logRatios: readonly number[], treatment: WeightTreatment): number[] {
  if (treatment === "exact") return [...logRatios];
  if (treatment === "clip") return logRatios.map((x) => Math.min(Math.max(x, -CLIP), CLIP));
  const queue = smoothWeights(logRatios.filter(Number.isFinite)).logWeights;
  // A weight of 0 (outside p_ref's support) stays 0.
  return logRatios.map((x) => (Number.isFinite(x) ? (queue.shift() as number) : x));
}
