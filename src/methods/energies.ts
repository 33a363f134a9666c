/** What methods weigh unfinished texts by: energies from rollouts, or a potential's word for them. */
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
 * The probabilities of a choice by log weights. Without any, those that a constraint let live are alike;
 * the dead ones are chosen where there are no others, and end the run.
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
