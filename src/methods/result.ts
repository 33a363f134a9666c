import type { FinishReason, Usage } from "../chain/chain.js";
import type { Scored } from "../energy/estimator.js";
import type { Settings } from "./options.js";

/** One candidate of a step, with what its energy rests on. */
export interface Candidate {
  text: string;
  tokens: readonly number[];
  logProbs: readonly number[];
  finishReason: FinishReason | null;
  /** Its rollouts, or itself once it has ended; a repeated candidate's are with the first. */
  completions: Scored[];
}

/** One guidance step. */
export interface Step {
  /** Number from 0. */
  step: number;
  candidates: Candidate[];
  /** log Ê(m). */
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
  rolloutEss?: number;
  khat?: number | null;
  maxWeightShare?: number;
  /** Tokens generated since the run began. */
  generated: number;
  /** Milliseconds since the run began. */
  ms: number;
}

/** Why the run ended: as the text did, or because its budget did. */
export type StopReason = FinishReason | "budget";

/** What every method returns; also the trace of the run, enough to redraw or replay it. */
export interface Result {
  method: string;
  text: string;
  /** The text's canonical answer; `null` when it gives none. */
  answer: string | null;
  /** Token ids of the text, its end token included. */
  tokens: readonly number[];
  /** In nats, one a token, under the distribution sampled. */
  logProbs: readonly number[];
  /** Share of the last step's votes that give this answer, from 0 to 1. */
  agreement: number;
  steps: Step[];
  /** Of the model; what the proposal did is in `proposalUsage`. */
  usage: Usage;
  proposalUsage?: Usage;
  /** Steps whose importance weights can't be trusted, with advice. */
  warnings: string[];
  stopReason: StopReason;
  seed: number;
  settings: Settings;
  prompt: { text: string; tokens: number[] };
  model: { path: string; description: string; parameters: number };
  versions: { llamaEts: string; llamaCpp: string; node: string };
}
