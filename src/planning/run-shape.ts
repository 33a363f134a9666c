/** The numbers that determine what a run needs. Methods give them to the planner. */
import type { DiffusionCache } from "../engine/denoising-request.js";

export interface RunShape {
  promptTokens: number;
  /** M. */
  candidates: number;
  /** K, for each candidate; 0 if a potential replaces rollouts. */
  rollouts: number;
  /** I. */
  steps: number;
  /** B, the largest number of tokens in a block. */
  blockTokens: number;
  /** The smallest number of tokens in a block. It is B unless the text decides where blocks end. */
  leastTokens: number;
  /** d, the longest answer. */
  maxTokens: number;
  /** Whether a rollout that ended with its answer may be read again, to continue it as the run's text. */
  rereads: boolean;
  /** Whether the engine can cut a text. If not, the kept part is read again. */
  cuts: boolean;
  /** Null if no other model draws the rollouts. */
  proposal: ProposalShape | null;
  /** Null for an autoregressive model. */
  denoising: DenoisingShape | null;
}

interface ProposalShape {
  /** The number of the K rollouts that the reference draws itself. */
  ownRollouts: number;
  /** Whether the proposal also scores its own rollouts. */
  scoresOwn: boolean;
  /** Whether a candidate's rollouts are resampled between blocks. */
  resamples: boolean;
  /** How a diffusion proposal unmasks; null for an autoregressive one. */
  denoising: DenoisingShape | null;
}

export interface DenoisingShape {
  blockLength: number;
  /** The number of steps for the whole answer. */
  denoisingSteps: number;
  /** Whether each text is read a second time, with its prompt masked. */
  guidance: boolean;
  cache: DiffusionCache;
  /** Whether a pass may unmask more positions than the schedule says, up to a whole block. */
  parallel: boolean;
}
