/** What of a run its needs depend on: plain numbers, which the methods hand to the planner. */
import type { DiffusionCache } from "../engine/denoising-request.js";

export interface RunShape {
  promptTokens: number;
  /** M. */
  candidates: number;
  /** K, for each candidate; 0 where a potential stands for them. */
  rollouts: number;
  /** I. */
  steps: number;
  /** B, the most tokens of a block. */
  blockTokens: number;
  /** The fewest: B, unless blocks end where the text tells. */
  leastTokens: number;
  /** d, the longest answer. */
  maxTokens: number;
  /** Whether a rollout that ended with its answer may have to be read again, as the run's text. */
  rereads: boolean;
  /** Whether the engine can cut a text back; else what is kept of it is read again. */
  cuts: boolean;
  /** Null without a model that draws rollouts for this one. */
  proposal: ProposalShape | null;
  /** Null for an autoregressive model. */
  denoising: DenoisingShape | null;
}

interface ProposalShape {
  /** How many of the K rollouts the reference draws itself. */
  ownRollouts: number;
  /** Whether the proposal scores its own rollouts too. */
  scoresOwn: boolean;
  /** Whether a candidate's rollouts are resampled on their way. */
  resamples: boolean;
  /** How a diffusion proposal unmasks; null for an autoregressive one. */
  denoising: DenoisingShape | null;
}

export interface DenoisingShape {
  blockLength: number;
  /** Over the whole answer. */
  denoisingSteps: number;
  /** Whether each text is read a second time, with its prompt masked. */
  guidance: boolean;
  cache: DiffusionCache;
  /** Whether a pass may unmask more than the schedule says, up to a block. */
  parallel: boolean;
}
