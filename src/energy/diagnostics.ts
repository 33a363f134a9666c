/**
 * Diagnoses how far a step's importance weights can be trusted.
 *
 * The diagnosis uses distinct texts. A ratio p_ref / p_proposal is a function of the text, so a text that
 * was drawn four times shows one ratio, not four: four equal ratios of one text would look like perfect
 * weights, and equal ratios have no tail to fit. The number of copies is evidence of something else.
 * Ratios average 1 over the texts that the proposal draws. If the proposal keeps drawing a few texts and
 * their mean ratio is far below 1, then the texts that the reference would draw are not among them.
 */
import type { WeightedRollout } from "./candidate-groups.js";
import { effectiveSampleSize, logMeanExp, normalise, saturated } from "./log-domain.js";
import { smoothWeights } from "./psis.js";

export interface ImportanceDiagnostics {
  /** The number of rollouts that have weights. */
  rolloutCount: number;
  /** The number of different texts among them; equal texts of different candidates count separately. */
  distinctRollouts: number;
  /**
   * Effective sample size (Kong 1992) of the rollouts' ratios, from 1 to `distinctRollouts`. The latter
   * bounds it because copies of a text carry no information about other texts. 0 if all ratios are 0.
   */
  rolloutEss: number;
  /**
   * Pareto shape k̂ of the tail of the distinct texts' ratios. Above 0.7 the weights are unreliable. 0 if
   * the ratios are equal up to rounding; null with fewer than 21 of them, or too few in the tail.
   */
  khat: number | null;
  /** Mean of the rollouts' ratios, at least 0; its expectation is 1. */
  meanRatio: number;
  /** The largest share of the ratios' sum that one text has with all its copies, from 0 to 1. */
  maxWeightShare: number;
  /**
   * The effective sample size that the same number of rollouts would have without resampling, from 0 to
   * `distinctRollouts`. It is estimated from resampled rollouts, and absent for others.
   */
  oneRatioEss?: number;
}

/** The name of a rollout's text, unique within its step, and the log of its importance ratio. */
export interface RolloutRatio extends Omit<WeightedRollout, "text"> {
  /** Two names are equal if and only if they stand for the same text of the same state. */
  name: string;
}

/** Above this Pareto shape weights can't be trusted. */
const MAX_KHAT = 0.7;
/** An effective sample size below this is a concern, unless there are fewer than twice as many rollouts. */
const MIN_ESS = 2;
/** Texts are few if their number is at most this share of the rollouts. */
const FEW_TEXTS = 0.5;
/** A mean ratio below this is a concern if the texts are few: they don't represent the reference. */
const MIN_MEAN_RATIO = 0.5;

/** Diagnoses all rollouts of a step; null if there are none. */
export function diagnose(rollouts: readonly RolloutRatio[]): ImportanceDiagnostics | null {
  const rolloutCount = rollouts.length;
  if (rolloutCount === 0) return null;
  const logRatios = rollouts.map(({ logRatio }) => logRatio);
  const distinct = [...new Map(rollouts.map(({ name, logRatio }) => [name, logRatio])).values()];
  const distinctRollouts = distinct.length;
  const { khat } = smoothWeights(distinct.filter(Number.isFinite));
  // The reference can draw none of the rollouts, so the weights carry no information.
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
 * n E[w]² / E[w²] for the ratios w of whole paths. For any function f of a path, the mean of ratio · f
 * over resampled rollouts is an unbiased estimate of E[w f]. It is used here with f = 1 and f = w.
 */
function oneRatioEss(rollouts: readonly RolloutRatio[]): number {
  const logMean = logMeanExp(rollouts.map(({ logRatio }) => logRatio));
  const logSquare = logMeanExp(rollouts.map(({ logRatio, logPath = 0 }) => logRatio + logPath));
  return rollouts.length * Math.min(1, Math.exp(2 * logMean - logSquare));
}

/** The reasons why a step's weights can't be trusted, in words; empty if they can. */
export function weightConcerns(diagnostics: Partial<ImportanceDiagnostics>): string[] {
  const { rolloutCount = 0, distinctRollouts = 0, rolloutEss = 0, khat, meanRatio } = diagnostics;
  const isTailHeavy = typeof khat === "number" && khat > MAX_KHAT;
  const isJudged = meanRatio !== undefined && rolloutCount >= 2 * MIN_ESS;
  // A single text always has an ESS of 1, so only its mean ratio can show a problem.
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
