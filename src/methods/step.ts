import type { FinishReason, TextThoughts } from "../chain/chain.js";
import type { Scored } from "../energy/estimate.js";

/** A completion that determines a candidate's energy, with its answer. */
export interface AnsweredCompletion extends Scored {
  /** Its canonical answer; `null` when it gives none. */
  answer: string | null;
}

/** One candidate of a step, with the completions that determine its energy. */
export interface Candidate {
  text: string;
  /** Absent if the text has no thoughts. */
  thoughts?: TextThoughts;
  tokens: readonly number[];
  logProbs: readonly number[];
  finishReason: FinishReason | null;
  /** The potential φ of an unfinished candidate; absent without a potential. */
  potential?: number;
  /** Its rollouts, or the candidate itself if it has ended. Identical candidates list them with the first. */
  completions: AnsweredCompletion[];
}

/** Further numbers that some methods report, for a step and for the whole run. */
export interface MethodDiagnostics {
  /** power, mh: share of the proposals that were accepted, from 0 to 1. */
  acceptanceRate?: number;
  /** particle: estimate of log E[exp(r / λ)], x ~ p_ref; that of its exponential is unbiased. */
  logNormaliser?: number;
}

/** One guidance step. */
export interface Step extends MethodDiagnostics {
  /** Number from 0. */
  step: number;
  candidates: Candidate[];
  /** log Ê(m), or log ψ(m) of a potential; for beam, power and mh the numbers by which they compare texts. */
  logEnergies: number[];
  /** Ê(m) / Σ Ê: the probabilities of the choice. */
  weights: number[];
  /** Index of the candidate the text goes on from. */
  chosen: number;
  /** Effective sample size of the weights, from 1 to the number of candidates. */
  ess: number;
  /** The majority's share of the step's votes, from 0 to 1. */
  agreement: number;
  /** ETS-IS: see `ImportanceDiagnostics`. */
  rolloutCount?: number;
  distinctRollouts?: number;
  rolloutEss?: number;
  khat?: number | null;
  meanRatio?: number;
  maxWeightShare?: number;
  oneRatioEss?: number;
  /** Tokens generated since the run began. */
  generated: number;
  /** Milliseconds since the run began. */
  ms: number;
}
