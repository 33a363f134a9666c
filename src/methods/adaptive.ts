/** Adaptive spending: few draws where they agree, many where they don't. */
import type { Estimate } from "../energy/estimate.js";
import { checkBoolean, checkInteger, checkKeys, checkNumber, checkOneOf } from "../engine/check.js";

export type AdaptiveRule = "beta" | "unanimous";

export interface AdaptiveOptions {
  /**
   * When a vote is settled. `beta` (default): by the posterior probability that its leader leads
   * (Aggarwal et al. 2023). `unanimous`, for majority alone: when all texts of the last round give
   * one answer (Li et al., "Escape Sky-high Cost", ICLR 2024).
   */
  rule?: AdaptiveRule;
  /**
   * Posterior probability, from .5 to .9999, at which a step's vote counts as settled: the leading
   * answer is then the more frequent of the two first ones. Default .95.
   */
  confidence?: number;
  /**
   * Candidates drawn between two looks, from 1 to 4096. Default 8: only draws of one round share
   * the work on what they have in common.
   */
  round?: number;
}

/**
 * The settings of an adaptive run; null for another.
 *
 * @param rules those that the method knows
 * @throws LlamaEtsError `ERR_INVALID_OPTION`
 */
export function resolveAdaptive(
  adaptive: boolean | AdaptiveOptions = false,
  rules: readonly AdaptiveRule[] = ["beta"],
): Required<AdaptiveOptions> | null {
  const isObject = typeof adaptive === "object" && adaptive !== null;
  if (!isObject && !checkBoolean("adaptive", adaptive)) return null;
  const { rule = "beta", confidence = 0.95, round = 8 } = isObject ? adaptive : {};
  if (isObject) checkKeys("adaptive", adaptive, ["rule", "confidence", "round"]);
  checkOneOf("adaptive.rule", rule, rules);
  return {
    rule,
    confidence: checkNumber("adaptive.confidence", confidence, 0.5, 0.9999),
    round: checkInteger("adaptive.round", round, 1, 4096),
  };
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
  } while (candidates.length < step.most && !estimate.isSettled && !step.isOutOfBudget());
  return { candidates, estimate };
}
