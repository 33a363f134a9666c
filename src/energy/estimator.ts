import type { Chain, ChainState } from "../chain/chain.js";
import type { Completion, Reward } from "../rewards/reward.js";

/** A completion, its reward and what it weighs. */
export interface Scored extends Completion {
  reward: number;
  /** log p_ref / p_proposal of the rollout; 0 where p_ref drew it, or the text is the candidate. */
  logRatio: number;
  /** log of the term it adds to Σ_m Ê(m): ratio · exp(r / λ), over K, times the candidates. */
  logWeight: number;
}

/** How far a step's importance weights can be trusted (`energy/diagnostics.ts`). */
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
}

export interface Estimate {
  /** log Ê(m) for each candidate. */
  logEnergies: number[];
  /** What the estimates rest on; a candidate that repeats another has that one's. */
  completions: Scored[];
  /** Whether more candidates would hardly change the rewards, by the run's confidence. */
  isSettled: boolean;
  /** Absent when p_ref drew every rollout. */
  importance?: ImportanceDiagnostics;
}

/**
 * Estimates the energy E(x_s) = E[exp(r(x_0) / λ)], x_0 ~ p_ref(· | x_s), of each candidate. Called
 * again at the same step with more candidates, it rolls out only those that came.
 */
export type EnergyEstimator = <S extends ChainState>(
  chain: Chain<S>,
  candidates: readonly S[],
  step: number,
) => Promise<Estimate>;

export interface EstimatorOptions {
  /** K, for each candidate. */
  rollouts: number;
  reward: Reward;
  lambda: number;
  /** The prompt's text, for the reward. */
  prompt: string;
  /** At which a step counts as settled; null: never. */
  confidence: number | null;
  /** Rolls identical candidates out once. */
  shareDuplicates: boolean;
  signal: AbortSignal | undefined;
}
