/** Adaptive spending: few draws where they agree, many where they don't. */
import type { Estimate } from "../energy/estimate.js";
import { checkBoolean, checkInteger, checkKeys, checkNumber, checkOneOf } from "../engine/check.js";
import type { Stopping, StoppingRule } from "../rewards/settled-vote.js";

/** When a run may stop drawing; all are optional. */
export interface AdaptiveOptions {
  /**
   * When a vote is settled. `sequential` (default): once a test, which is evaluated after each round,
   * finds the leading answer more probable than every other one. If votes are independent draws, it is
   * wrong with a probability of at most 1 - `confidence`. `beta`: by the posterior probability that the
   * leader is ahead (Aggarwal et al. 2023). It is wrong more often, the more rounds are evaluated.
   * `unanimous`: when all texts of the last round (for ETS, of the step) have the same answer (Li et al.,
   * "Escape Sky-high Cost", ICLR 2024).
   */
  rule?: StoppingRule;
  /** The confidence of the rules `sequential` and `beta`, from 0.5 to 0.9999. Default 0.95. */
  confidence?: number;
  /** The number of candidates drawn between two evaluations, from 1 to 4096. Default 8. */
  round?: number;
}

export type AdaptiveSettings = Required<AdaptiveOptions>;

/**
 * The settings of an adaptive run; null if the run is not adaptive.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`
 */
export function resolveAdaptive(
  adaptive: boolean | AdaptiveOptions = false,
): AdaptiveSettings | null {
  const isObject = typeof adaptive === "object" && adaptive !== null;
  if (!isObject && !checkBoolean("adaptive", adaptive)) return null;
  const { rule = "sequential", confidence = 0.95, round = 8 } = isObject ? adaptive : {};
  if (isObject) checkKeys("adaptive", adaptive, ["rule", "confidence", "round"]);
  return {
    rule: checkOneOf("adaptive.rule", rule, ["sequential", "beta", "unanimous"]),
    confidence: checkNumber("adaptive.confidence", confidence, 0.5, 0.9999),
    round: checkInteger("adaptive.round", round, 1, 4096),
  };
}

/** How a reward decides that a step is settled; null if the run is not adaptive. */
export function stoppingOf(adaptive: AdaptiveSettings | null): Stopping | null {
  return adaptive && { rule: adaptive.rule, confidence: adaptive.confidence };
}

/** A step's candidates, and the energies that could be estimated within the budget. */
export interface DrawnStep<S> {
  candidates: S[];
  /** The estimate for the candidates that the budget didn't cut off; null if there is none. */
  estimate: Estimate | null;
}

/** How a step draws. */
export interface StepDraws<S> {
  /** The largest number of candidates. */
  most: number;
  /** The number of candidates per round; `most` if the run isn't adaptive. */
  round: number;
  /** Draws `count` candidates, whose numbers begin with `first`. */
  advance(count: number, first: number): Promise<S[]>;
  /** Estimates the candidates' energies. The rollouts of `known` are not drawn again. */
  energies(candidates: readonly S[], known: Estimate | null): Promise<Estimate>;
  isOutOfBudget(): boolean;
}

/** Draws a step in rounds until its estimate is settled or it has `most` candidates. */
export async function drawInRounds<S>(step: StepDraws<S>): Promise<DrawnStep<S>> {
  const candidates: S[] = [];
  let estimate: Estimate | null = null;
  do {
    const first = candidates.length;
    const count = Math.min(step.round, step.most - first);
    candidates.push(...(await step.advance(count, first)));
    if (step.isOutOfBudget()) break;
    estimate = await step.energies(candidates, estimate);
    if (estimate.isSettled) break;
  } while (candidates.length < step.most && !step.isOutOfBudget());
  return { candidates, estimate };
}
