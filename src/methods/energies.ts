/** The energies with which methods weight unfinished texts: from rollouts, or from a potential. */
import type { ChainState } from "../chain/chain.js";
import {
  type Estimate,
  estimateEnergies,
  type RolloutSource,
  type StepEvidence,
} from "../energy/estimate.js";
import { normalise } from "../energy/log-domain.js";
import { guessEnergies } from "../energy/potential-energies.js";
import type { Run } from "./run/run.js";

/**
 * The probabilities of a choice by log weights. If all weights are 0, the texts that are not dead are
 * equally probable. A dead text is chosen only if all are dead; it ends the run.
 */
export function choiceWeights(
  states: readonly ChainState[],
  logWeights: readonly number[],
): number[] {
  if (logWeights.some((log) => log !== Number.NEGATIVE_INFINITY)) return normalise(logWeights);
  const isAlive = states.map(({ finishReason }) => finishReason !== "dead");
  return normalise(isAlive.map((alive) => (alive ? 0 : Number.NEGATIVE_INFINITY)));
}

/** The candidates' energies. A run with a potential draws no rollouts from the source. */
export function energiesOf<S extends ChainState>(
  run: Run,
  source: RolloutSource,
  evidence: StepEvidence<S>,
): Promise<Estimate> {
  const { potential } = run.settings.energy;
  return potential === null
    ? estimateEnergies(source, evidence, run.estimateOptions)
    : guessEnergies(potential, evidence, run.estimateOptions);
}
