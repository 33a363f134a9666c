/** The options that all methods share. */

import type { BudgetOptions } from "../../chain/budget.js";
import type { PromptOptions } from "../../engine/chat/conversation.js";
import type { SamplingOptions } from "../../engine/sampling.js";
import type { BlockEnd, TokenMetric } from "../../engine/sequences.js";
import type { Plan } from "../../planning/run-plan.js";
import type { AnswerExtractor, Reward, RewardFunction } from "../../rewards/reward.js";
import type { AdaptiveOptions } from "../adaptive.js";
import type { TextUpdate } from "../run/text-stream.js";
import type { Step } from "../step.js";
import type { DiffusionOptions } from "./diffusion.js";

export const BLOCK_KINDS = ["tokens", "line", "sentence", "entropy"] as const;
export type BlockKind = (typeof BLOCK_KINDS)[number] & ("tokens" | BlockEnd);

/** How a constraint changes a policy: see `constraintLaw`. */
export const CONSTRAINT_LAWS = ["masked", "conditioned"] as const;
export type ConstraintLaw = (typeof CONSTRAINT_LAWS)[number];

/** The options that all methods share. Each method's help says which of the guided ones it uses. */
export interface CommonOptions extends SamplingOptions, PromptOptions {
  /**
   * M, the number of texts or continuations drawn at each step, from 1 to 4096 (ETS with several steps:
   * 254). For beam it is the width, up to 64; for power and mh the number of texts that are run together,
   * up to 84; for particle the number of particles, up to 127. Default 8; power: 1; adaptive runs: up to 32.
   */
  candidates?: number;
  /** K, the number of rollouts that estimate each candidate's energy, from 1 to 4096. Default 1. */
  rollouts?: number;
  /**
   * I, the number of guidance steps (power: blocks; default 16) of a text of `maxTokens`: blocks have
   * ceil(maxTokens / I) tokens. Texts that end early have fewer steps, and a text that ends within the first
   * block isn't guided. Use `blockTokens` if you know the usual length of texts.
   */
  steps?: number;
  /**
   * B, the number of tokens of a guidance step, instead of `steps`; for a diffusion model, the number of
   * positions that it unmasks. Default 64; adaptive runs: one step.
   */
  blockTokens?: number;
  /**
   * Where a guidance step ends. "tokens" (default): after `blockTokens`. The others depend on the text; a
   * step then has at least a quarter of `blockTokens` and at most `blockTokens` tokens. "line": after a line
   * break. "sentence": after a sentence or a line break. "entropy": after a token that is at least as
   * uncertain as a fair coin (0.69 nats), in which candidates are likely to differ. Only for autoregressive
   * models. Candidates then have different lengths, and `steps` is the largest possible number of steps.
   */
  block?: BlockKind;
  /** λ of the target p_ref · exp(r / λ), from 1e-100 to 1e100. Default 0.1. */
  lambda?: number;
  /**
   * The longest answer in tokens; for a diffusion model, its number of positions. Default: 512 (diffusion:
   * 256), or less if the model's context leaves less.
   */
  maxTokens?: number;
  /** How a diffusion model unmasks; refused for others. */
  diffusion?: DiffusionOptions;
  /**
   * How `constraint` changes the reference policy. `masked`: each token is drawn from the allowed tokens,
   * renormalized, even if this leads to unlikely texts. `conditioned`: p_ref given that the whole text is
   * allowed, by weighting texts with their masses. Default: conditioned for methods with weights (ets,
   * ets-is, particle, mh, power), masked for others. See `docs/constraints.md`.
   */
  constraintLaw?: ConstraintLaw;
  /**
   * Whether a text that `maxTokens` cuts off is closed: its last tokens are replaced by the shortest end that
   * meets the `constraint`. Its `stopReason` is then `closed`, and it has no reward and no law. If no end
   * fits, the text does not change (`length`). Default false. See `docs/constraints.md`.
   */
  close?: boolean;
  /** Default: self-consistency of the answers that `extract` finds. */
  reward?: Reward | RewardFunction;
  /** Finds a text's answer, for the vote and the result. Default: the usual forms. */
  extract?: AnswerExtractor;
  /**
   * If answers are JSON, with or without a constraint of `json` or `tools`: the parts that count for votes
   * and for the result's answer, as paths such as `city` or `items.*.id`, or, for a tool call, `name` or
   * `arguments.city`. Default: all.
   */
  voteFields?: readonly string[];
  /** Parts that don't count in votes, as paths. Default: none. */
  voteExcept?: readonly string[];
  /**
   * Strings that end a text; they are not part of it. A string that is the name of a special token also
   * matches that token.
   */
  stop?: readonly string[];
  /**
   * How a run ends. `chain`: with the method's own text. `resample`, only for ETS: with one of the finished
   * rollouts of the last step that has some, chosen by exp(r / λ). `best`: with the finished text of the
   * highest reward that the whole run has seen, including rollouts; of equals with the first (with votes,
   * with the first of the last step that has an equal). Such a text is not a sample from the method's law.
   * Methods without rewards end as with `chain`. Default "chain".
   */
  finish?: Finish;
  /**
   * Draws candidates in rounds, and ends with one of a step's texts once the reward says that the step is
   * settled. Useful for rewards that vote, such as self-consistency (others are never settled). A step draws
   * at most `candidates`. Default false.
   */
  adaptive?: boolean | AdaptiveOptions;
  /**
   * Exact savings (docs/how-it-works.md). For tests and studies each can be switched off. `prefixes`: common
   * beginnings of draws from one state are decoded once. `duplicates`: identical candidates share their
   * rollouts; off in adaptive runs, where such texts would not be separate votes. `decided`: a text whose
   * reward can't change any more is completed without guidance. `answered`: rollouts end with their answers
   * if the reward has an `answerEnd`.
   */
  shortcuts?: Partial<Shortcuts>;
  /**
   * Whether prompts are kept for later runs on the model, which then need not read them again. The results
   * are the same up to rounding (docs/exactness.md). Default true; false for an evaluation's samples.
   */
  prefixCache?: boolean;
  /** The paper's settings for options that are not given, by task and family of models. Default: none. */
  preset?: PresetOptions;
  /**
   * Further numbers to measure for each token, and to report in the result: the entropy of the distribution
   * that it was drawn from, or the self-certainty. For autoregressive models and methods that draw (not
   * beam). Default: those that the reward and the method need.
   */
  metrics?: readonly TokenMetric[];
  /** Makes every draw reproducible at fixed settings on one machine, from 0 to 2^53 - 1. Default 0. */
  seed?: number;
  /** Aborting rejects with the signal's reason. */
  signal?: AbortSignal;
  budget?: BudgetOptions;
  /** Called with the run's plan before its first token. */
  onPlan?: (plan: Plan) => void;
  /** Called after each step. */
  onStep?: (step: Step) => void;
  /**
   * Called with the text while it is drawn. `committed` is the next final piece; all of them together are the
   * result's `text`. A piece is a chosen block, an elected answer, or each token of a method that draws one
   * text. `draft` is the text after it at the moment, which may change. Thoughts come separately, as
   * `thoughts`. Characters are never cut, and the possible beginning of a stop string is held back. With a
   * `budget` or `finish: "best"`, another text may replace the drawn one, so methods that choose commit only
   * at the end. With `close`, all methods do.
   */
  onText?: (update: TextUpdate) => void;
  /** Called when a step's importance weights can't be trusted, with advice. */
  onWarning?: (message: string) => void;
  /** Called about ten times a second while tokens are drawn. */
  onProgress?: (progress: Progress) => void;
}

/** How runs end. */
export const FINISHES = ["chain", "resample", "best"] as const;
/**
 * Which text a run returns: the chain's own, one drawn among the last rollouts, or the best one
 * seen.
 */
export type Finish = (typeof FINISHES)[number];

/** The families of models for which the paper has settings. */
export const FAMILIES = ["qwen3-1.7b", "qwen3-8b", "llada-8b"] as const;
/** The models for which the paper published settings. */
export type ModelFamily = (typeof FAMILIES)[number];

/** The paper's settings for options that are not given. */
export interface PresetOptions {
  name: "paper";
  /** A task of the paper: math500, gsm8k (or mini-gsm), gpqa, humaneval. */
  task: string;
  /** Default: the nearest by the model's kind and size. */
  family?: ModelFamily;
}

export interface Shortcuts {
  prefixes: boolean;
  duplicates: boolean;
  decided: boolean;
  answered: boolean;
}

/** The progress of a run. */
export interface Progress {
  step: number;
  steps: number;
  /** Tokens generated so far. */
  generated: number;
  /** One of a diffusion model's texts, with `░` for each mask. */
  shown?: string;
}
