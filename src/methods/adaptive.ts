/** Adaptive spending: few draws where they agree, many where they don't. */
import type { Estimate } from "../energy/estimate.js";
import { checkBoolean, checkInteger, checkKeys, checkNumber, checkOneOf } from "../engine/check.js";
import type { Stopping, StoppingRule } from "../rewards/settled-vote.js";

/** When a run may stop drawing; all are optional. */
export interface AdaptiveOptions {
  /**
   * When a vote is settled. `sequential` (default): once a test that may be looked at after each
   * round finds the leading answer more probable than each other one; it is wrong with probability
   * at most 1 - `confidence`, where votes are independent draws. `beta`: by the posterior probability
   * that the leader leads (Aggarwal et al. 2023), which is wrong more often than that, the more
   * rounds are looked at. `unanimous`: when all texts of the last round give one answer (Li et al.,
   * "Escape Sky-high Cost", ICLR 2024); for ETS, all of the step's.
   */
  rule?: StoppingRule;
  /** The confidence of the rules `sequential` and `beta`, from .5 to .9999. Default .95. */
  confidence?: number;
  /** Candidates drawn between two looks, from 1 to 4096. Default 8. */
  round?: number;
}

export type AdaptiveSettings = Required<AdaptiveOptions>;

/**
 * The settings of an adaptive run; null for another.
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

/** How a reward is to tell that a step is settled; null: it isn't asked. */
export function stoppingOf(adaptive: AdaptiveSettings | null): Stopping | null {
  return adaptive && { rule: adaptive.rule, confidence: adaptive.confidence };
}

/** A step's candidates, and their energies as far as the budget let them be estimated. */
export interface DrawnStep<S> {
  candidates: S[];
  /** For the candidates that the budget didn't cut off; null when it left no estimate. */
  estimate: Estimate | null;
}

/** How a step draws. */
export interface StepDraws<S> {
  /** The most candidates. */
  most: number;
  /** Candidates drawn between two looks; `most` for a step that isn't adaptive. */
  round: number;
  /** Draws `count` candidates, whose numbers begin with `first`. */
  advance(count: number, first: number): Promise<S[]>;
  /** Estimates the candidates' energies; what is known of the first of them is not drawn again. */
  energies(candidates: readonly S[], known: Estimate | null): Promise<Estimate>;
  isOutOfBudget(): boolean;
}

/** Draws a step in rounds, until its estimate is settled or it has the most candidates. */
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
