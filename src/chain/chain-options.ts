/** What a chain needs to know of its run, in groups. */

import type { Sampling } from "../engine/sampling.js";
import type { BlockEnd, TokenMetric } from "../engine/sequences.js";
import type { AnswerEnd } from "./answer-end.js";
import type { Budget } from "./budget.js";
import type { DenoisingSettings, ImportanceRatio } from "./denoising.js";
import type { OnProgress } from "./run-limits.js";

export interface ChainOptions {
  prompt: Int32Array;
  policy: {
    sampling: Sampling;
    /** Strings that end a text. */
    stop: readonly string[];
    seed: number;
    /** Whether a constraint conditions p_ref as a whole, not token by token. Default false. */
    conditions?: boolean;
  };
  guidance: {
    /** Tokens of one guidance step, the most where blocks end at `blockEnd`. */
    blockTokens: number;
    /** The fewest tokens of a block that ends at `blockEnd`. */
    leastTokens: number;
    /** Where blocks end before they have their tokens; null: nowhere. */
    blockEnd: BlockEnd | null;
    /** Whether what draws of one state have in common is decoded once. */
    sharePrefixes: boolean;
  };
  /** Whether prompts are kept for later runs, and what is kept is not read again. */
  prefixCache: boolean;
  /** How a diffusion model unmasks; null for an autoregressive one. */
  denoising: DenoisingSettings | null;
  /** How a diffusion model's rollouts are scored. */
  ratio: ImportanceRatio;
  /** What texts carry besides log-probabilities. */
  metrics: readonly TokenMetric[];
  /** Ends rollouts once they have answered; null: they go on. */
  answerEnd: AnswerEnd | null;
  limits: {
    /** Longest text, in tokens. */
    maxTokens: number;
    budget: Budget;
    signal: AbortSignal | undefined;
  };
  /** Called about ten times a second while texts are drawn. */
  onProgress: OnProgress | undefined;
  /** Told what is done in another way than asked for. */
  onWarning: ((message: string) => void) | undefined;
}

/** The options of a diffusion model's chain. */
export interface DenoisingOptions extends ChainOptions {
  denoising: DenoisingSettings;
}
