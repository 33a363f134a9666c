/** The options of a run that its chain needs, in groups. */

import type { Sampling } from "../engine/sampling.js";
import type { BlockEnd, TokenMetric } from "../engine/sequences.js";
import type { ThoughtRules } from "../engine/thoughts.js";
import type { AnswerEnd } from "./answer-end.js";
import type { Budget } from "./budget.js";
import type { DenoisingSettings, ImportanceRatio } from "./denoising.js";
import type { OnLive } from "./live-text.js";
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
    /** How thoughts are distinguished from answers, and how they are ended; null: texts have no thoughts. */
    thoughts: ThoughtRules | null;
  };
  guidance: {
    /** Tokens of one guidance step; the largest number if blocks end at `blockEnd`. */
    blockTokens: number;
    /** The fewest tokens of a block that ends at `blockEnd`. */
    leastTokens: number;
    /** Where blocks end before they have `blockTokens` tokens; null: nowhere. */
    blockEnd: BlockEnd | null;
    /** Whether the common beginning of draws from one state is decoded only once. */
    sharePrefixes: boolean;
  };
  /** Whether prompts are kept for later runs, which then need not read them again. */
  prefixCache: boolean;
  /** How a diffusion model unmasks; null for an autoregressive one. */
  denoising: DenoisingSettings | null;
  /** How a diffusion model's rollouts are scored. */
  ratio: ImportanceRatio;
  /** The metrics that texts carry in addition to log-probabilities. */
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
  /** Called with the first of the texts that are being drawn, if the engine shows it. */
  onLive: OnLive | undefined;
  /** Called with a message when something is done in another way than the options ask for. */
  onWarning: ((message: string) => void) | undefined;
}

/** The options of a diffusion model's chain. */
export interface DenoisingOptions extends ChainOptions {
  denoising: DenoisingSettings;
}
