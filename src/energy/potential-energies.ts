/**
 * Energies that a potential φ guesses, without rollouts. For an unfinished text log ψ = φ / λ replaces
 * log Ê. For a text that has ended, log Ê is r / λ.
 */
import type { ChainState } from "../chain/chain.js";
import { logMassOf } from "../chain/token-values.js";
import { LlamaEtsError } from "../engine/errors.js";
import { type Completion, nameText, type Reward, scorePool } from "../rewards/reward.js";
import { groupCandidates, textOf } from "./candidate-groups.js";
import {
  type Estimate,
  type EstimateOptions,
  estimateEnergies,
  type RolloutSource,
  type StepEvidence,
} from "./estimate.js";
import { largestOf } from "./log-domain.js";

/** Draws no rollouts, because a candidate's energy depends only on its own text. */
const NO_ROLLOUTS: RolloutSource = { draw: async (states) => states.map(() => []) };

/**
 * Judges the unfinished candidates with the potential, and the finished ones with the reward.
 *
 * @throws LlamaEtsError `ERR_REWARD`; the signal's reason
 */
export async function guessEnergies<S extends ChainState>(
  potential: Reward,
  evidence: StepEvidence<S>,
  options: EstimateOptions,
): Promise<Estimate> {
  const { step, candidates, earlier } = evidence;
  const { lambda, asked, signal, shareDuplicates, conditions } = options;
  // A text that has ended has one vote for each candidate that is equal to it.
  const estimate = await estimateEnergies(NO_ROLLOUTS, evidence, { ...options, rollouts: 1 });
  const open = groupCandidates(candidates, shareDuplicates).filter(
    ({ state }) => state.finishReason === null,
  );
  const pool = open.map(({ state, first: candidate, members }): Completion => {
    const count = members.length;
    return { ...textOf(state), candidate, rollout: null, votes: count, samples: count };
  });
  const input = { ...asked, pool, earlier };
  const judged =
    pool.length === 0 ? [] : await scorePool(potential, input, step, signal, "potential");
  const isFinished = (m: number) => candidates[m]?.finishReason !== null;
  const finished = candidates.some((_, m) => isFinished(m)) ? [estimate.peak] : [];
  // All energies become relative to the largest value of rewards and potentials together.
  const peak = largestOf([...judged, ...finished]);
  const relativeLogEnergies = estimate.relativeLogEnergies.map(
    (log) => log + (estimate.peak - peak) / lambda,
  );
  const logEnergies = [...estimate.logEnergies];
  const potentials: (number | null)[] = candidates.map(() => null);
  for (const [i, { members }] of open.entries()) {
    const value = judged[i] as number;
    const logPotential = value / lambda;
    if (!Number.isFinite(logPotential)) {
      const which = nameText(pool[i] as Completion, ` at step ${step}`);
      throw new LlamaEtsError(
        "ERR_REWARD",
        `The potential \`${potential.name}\` over λ leaves the range of a number: ${value} / ${lambda} for ${which}`,
        { fix: "a larger `lambda`, or a potential of smaller values" },
      );
    }
    const logMass = conditions ? logMassOf(pool[i] as Completion) : 0;
    for (const m of members) {
      potentials[m] = value;
      logEnergies[m] = logPotential + logMass;
      relativeLogEnergies[m] = (value - peak) / lambda + logMass;
    }
  }
  return { ...estimate, logEnergies, peak, relativeLogEnergies, potentials };
}
