/**
 * How far a step's importance weights can be trusted.
 *
 * The judgement is over distinct texts. A ratio p_ref / p_proposal is a function of the text, so a
 * text drawn four times shows one ratio, not four: four equal ratios of one text would look like
 * perfect weights, and ties have no tail to fit. How often a text came is still evidence, but of
 * something else. Ratios average 1 over what the proposal draws. When the proposal keeps drawing a
 * few texts and their mean ratio is far below 1, what the reference draws is not among them.
 */
import type { WeightedRollout } from "./candidate-groups.js";
import { effectiveSampleSize, logMeanExp, normalise, saturated } from "./log-domain.js";
import { smoothWeights } from "./psis.js";

export interface ImportanceDiagnostics {
  /** Rollouts the weights are of. */
  rolloutCount: number;
  /** Different texts among them, each counted once for a candidate. */
  distinctRollouts: number;
  /**
   * Effective sample size (Kong 1992) of the rollouts' ratios, from 1 to `distinctRollouts`, which
   * bounds it: copies of a text say nothing of other texts. 0 when all ratios are 0.
   */
  rolloutEss: number;
  /**
   * Pareto shape k̂ of the tail of the distinct texts' ratios; above .7 unreliable; 0 where they
   * are equal up to rounding; null with fewer than 21 of them, or too few in the tail.
   */
  khat: number | null;
  /** Mean of the rollouts' ratios, from 0: 1 in expectation. */
  meanRatio: number;
  /** The largest share that one text, its copies together, has of the ratios' sum, from 0 to 1. */
  maxWeightShare: number;
  /**
   * The effective sample size that as many rollouts would have with one ratio each, from 0 to
   * `distinctRollouts`. It is estimated from rollouts that were resampled on their way; others have none.
   */
  oneRatioEss?: number;
}

/** A rollout's text, named within its step, and log of its importance ratio. */
export interface RolloutRatio extends Omit<WeightedRollout, "text"> {
  /** Equal for the same text of the same state, and for no others. */
  name: string;
}

/** Above this Pareto shape weights can't be trusted. */
const MAX_KHAT = 0.7;
/** Below this effective sample size, and with fewer rollouts than twice that nothing is said. */
const MIN_ESS = 2;
/** Few: at most this share of the rollouts. */
const FEW_TEXTS = 0.5;
/** Few texts that have less of the reference's probability than this don't stand for it. */
const MIN_MEAN_RATIO = 0.5;

/** Diagnoses all rollouts of a step; null where there are none. */
export function diagnose(rollouts: readonly RolloutRatio[]): ImportanceDiagnostics | null {
  const rolloutCount = rollouts.length;
  if (rolloutCount === 0) return null;
  const logRatios = rollouts.map(({ logRatio }) => logRatio);
  const distinct = [...new Map(rollouts.map(({ name, logRatio }) => [name, logRatio])).values()];
  const distinctRollouts = distinct.length;
  const { khat } = smoothWeights(distinct.filter(Number.isFinite));
  // The reference can draw none of the rollouts: they tell nothing.
  if (!logRatios.some(Number.isFinite)) {
    return {
      rolloutCount,
      distinctRollouts,
      khat,
      rolloutEss: 0,
      meanRatio: 0,
      maxWeightShare: 0,
    };
  }
  const weights = normalise(logRatios);
  const shares = new Map<string, number>();
  for (const [i, { name }] of rollouts.entries()) {
    shares.set(name, (shares.get(name) ?? 0) + (weights[i] as number));
  }
  return {
    rolloutCount,
    distinctRollouts,
    rolloutEss: Math.min(effectiveSampleSize(weights), distinctRollouts),
    khat,
    meanRatio: saturated(Math.exp(logMeanExp(logRatios))),
    maxWeightShare: Math.max(...shares.values()),
    ...(rollouts.some(({ logPath }) => logPath !== undefined) && {
      oneRatioEss: Math.min(oneRatioEss(rollouts), distinctRollouts),
    }),
  };
}

/**
 * n E[w]² / E[w²] of the ratios w of whole paths. Resampled rollouts estimate E[w f] by the mean of
 * ratio · f for any f of a path, without a bias: here for f = 1 and f = w.
 */
function oneRatioEss(rollouts: readonly RolloutRatio[]): number {
  const logMean = logMeanExp(rollouts.map(({ logRatio }) => logRatio));
  const logSquare = logMeanExp(rollouts.map(({ logRatio, logPath = 0 }) => logRatio + logPath));
  return rollouts.length * Math.min(1, Math.exp(2 * logMean - logSquare));
}

/** Why a step's weights can't be trusted, in words; none when they can. */
export function weightConcerns(diagnostics: Partial<ImportanceDiagnostics>): string[] {
  const { rolloutCount = 0, distinctRollouts = 0, rolloutEss = 0, khat, meanRatio } = diagnostics;
  const isTailHeavy = typeof khat === "number" && khat > MAX_KHAT;
  const isJudged = meanRatio !== undefined && rolloutCount >= 2 * MIN_ESS;
  // One text alone has an ESS of 1 whatever its ratio is: its mean ratio tells.
  const isEssLow = isJudged && rolloutEss < Math.min(MIN_ESS, distinctRollouts);
  const areTextsFew = isJudged && distinctRollouts <= FEW_TEXTS * rolloutCount;
  const isFarOff = areTextsFew && meanRatio < MIN_MEAN_RATIO;
  const texts = distinctRollouts === 1 ? "one text" : `${distinctRollouts} texts`;
  const concerns = [
    isTailHeavy && `Pareto k̂ is ${khat.toFixed(2)}`,
    (isEssLow || isFarOff) && `the ESS is ${rolloutEss.toFixed(1)}`,
    isFarOff &&
      `${rolloutCount} rollouts are ${texts}, whose mean ratio is ${meanRatio.toPrecision(2)} in place of 1`,
  ];
  return concerns.filter((concern) => concern !== false);
}
