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

/** What a constraint makes of a policy. */
export const CONSTRAINT_LAWS = ["masked", "conditioned"] as const;
export type ConstraintLaw = (typeof CONSTRAINT_LAWS)[number];

/** The options that all methods share; which of the guided ones a method uses is said in its help. */
export interface CommonOptions extends SamplingOptions, PromptOptions {
  /**
   * M, texts or continuations drawn at each step, from 1 to 4096 (ETS of several steps: 254). It is
   * the width of beam, up to 64; for power and mh the texts that are run side by side, up to 84; for
   * particle the particles, up to 127. Default 8; power: 1; adaptive runs: at most 32.
   */
  candidates?: number;
  /** K, rollouts that estimate each candidate's energy, from 1 to 4096. Default 1. */
  rollouts?: number;
  /**
   * I, guidance steps (power: blocks; default 16) of a text of `maxTokens`: blocks of ceil(maxTokens / I)
   * tokens. Texts that end early have fewer, and those that end within the first block none that could
   * guide: `blockTokens` suits the texts that one expects.
   */
  steps?: number;
  /**
   * B, tokens of a guidance step, in place of `steps`; for a diffusion model, the positions it
   * unmasks. Default 64; adaptive runs: one step.
   */
  blockTokens?: number;
  /**
   * Where a guidance step ends: "tokens" (default), after `blockTokens`; or where the text tells, behind a
   * quarter of `blockTokens` at the earliest and with `blockTokens` at the latest: "line", behind a line's
   * end; "sentence", behind a sentence's or a line's; "entropy", behind a token as uncertain as a fair coin
   * (.69 nats), which candidates are likely to differ by. Autoregressive models; candidates are of unequal
   * lengths then, and `steps` are the most that there may be.
   */
  block?: BlockKind;
  /** λ of the target p_ref · exp(r / λ), from 1e-100 to 1e100. Default .1. */
  lambda?: number;
  /**
   * Longest answer in tokens; for a diffusion model, the positions it is given. Default: 512
   * (diffusion: 256), or what the model's context leaves.
   */
  maxTokens?: number;
  /** How a diffusion model unmasks; refused for others. */
  diffusion?: DiffusionOptions;
  /**
   * What `constraint` makes of the reference policy. `masked`: each token is drawn from what is allowed in
   * its place, renormalised, whatever that leads to. `conditioned`: p_ref given that the whole text is
   * allowed, by weights: the masses of what was allowed on its way. Default: conditioned where there are
   * weights (ets, ets-is, particle, mh, power), masked elsewhere. `docs/constraints.md`.
   */
  constraintLaw?: ConstraintLaw;
  /**
   * Whether a text that `maxTokens` cuts off is closed: its last tokens give way to the shortest end by which
   * the `constraint` is met. Its `stopReason` is then `closed`, it has no reward and is no sample of a law.
   * Where no end fits, it stays as it is (`length`). Default false. `docs/constraints.md`.
   */
  close?: boolean;
  /** Default: self-consistency of the answers that `extract` finds. */
  reward?: Reward | RewardFunction;
  /** Finds a text's answer, for the vote and the result. Default: the usual forms. */
  extract?: AnswerExtractor;
  /**
   * Where answers are JSON, under a constraint of `json` or `tools` and else too: the parts that votes and the
   * result's answer look at, as paths such as `city` or `items.*.id`; of a tool call `name`, and
   * `arguments.city`. Default: all.
   */
  voteFields?: readonly string[];
  /** Parts that don't count in votes, as paths. Default: none. */
  voteExcept?: readonly string[];
  /**
   * Strings that end a text; they are not part of it. One that is a special token's text matches that
   * token too.
   */
  stop?: readonly string[];
  /**
   * How a run ends. `chain`: with the text that the method came to. `resample`, of ETS: with one of
   * the finished rollouts of the last step that has some, chosen by exp(r / λ). `best`: with the
   * finished text of highest reward that the whole run has seen, rollouts included, the first of
   * equals (under a vote the first of the last step that has an equal); it is then no sample of the
   * method's law, and methods that see no reward end as by `chain`. Default "chain".
   */
  finish?: Finish;
  /**
   * Draws candidates in rounds and ends once the reward calls a step settled, with one of its
   * texts; for rewards that vote, as self-consistency does (others never settle). `candidates` is
   * the most a step may draw. Default false.
   */
  adaptive?: boolean | AdaptiveOptions;
  /**
   * Exact savings (docs/how-it-works.md); for tests and studies each can be switched off. `prefixes`: what
   * draws of one state have in common is decoded once. `duplicates`: identical candidates share
   * their rollouts; off in adaptive runs, where such texts aren't votes of their own. `decided`: a
   * text whose reward can't change any more is completed without guidance. `answered`: rollouts
   * end with their answers, where the reward has an `answerEnd`.
   */
  shortcuts?: Partial<Shortcuts>;
  /**
   * Whether prompts that were read are kept for later runs on the model, and what is kept of this one
   * is not read again: the results are the same up to rounding (docs/exactness.md). Default true; of
   * an evaluation's samples false.
   */
  prefixCache?: boolean;
  /** Settings of the paper for what is not given, by task and family of models. Default: none. */
  preset?: PresetOptions;
  /**
   * What is measured of each token besides its log-probability, of the distribution that it was drawn from:
   * its entropy, or the self-certainty; the result has them, one a token. For autoregressive models, and
   * methods that draw (not beam). Default: what the reward and the method need.
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
   * Called with the text as it comes. `committed` is the next piece that is final, all of which make up the
   * result's `text`: a block that was chosen, an answer that was elected, or each token of a method that
   * draws one text. `draft` is what follows at the moment, which may change. Thoughts come apart, as
   * `thoughts`. A character is never cut, and what may begin a stop string is held back. Under a `budget`,
   * or with `finish: "best"`, another text may take the place of the one that is drawn: then methods that
   * choose commit at the end. With `close` all do.
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

/** Families of models that the paper has settings for. */
export const FAMILIES = ["qwen3-1.7b", "qwen3-8b", "llada-8b"] as const;
/** The models for which the paper published settings. */
export type ModelFamily = (typeof FAMILIES)[number];

/** Settings of the paper for what is not given. */
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

/** How far a run has come. */
export interface Progress {
  step: number;
  steps: number;
  /** Tokens generated so far. */
  generated: number;
  /** One of a diffusion model's texts as far as it is unmasked, `░` where masked. */
  shown?: string;
}
