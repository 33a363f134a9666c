/** What methods weigh unfinished texts by: energies from rollouts, or a potential's word for them. */
import type { ChainState } from "../chain/chain.js";
import {
  type Estimate,
  estimateEnergies,
  type RolloutSource,
  type StepEvidence,
} from "../energy/estimate.js";
import { guessEnergies } from "../energy/potential-energies.js";
import type { Run } from "./run.js";

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
