/** The options that all methods share, and what is made of them. */
import type { AnswerEnd } from "../chain/answer-end.js";
import type { Budget, BudgetOptions } from "../chain/budget.js";
import type { DenoisingSettings, ImportanceRatio } from "../chain/denoising.js";
import type { WeightTreatment } from "../energy/importance-sampling.js";
import type { Model } from "../engine/local/model.js";
import type { PromptOptions } from "../engine/prompt.js";
import type { Sampling, SamplingOptions } from "../engine/sampling.js";
import type { AnswerExtractor } from "../rewards/answer.js";
import type { Reward, RewardFunction } from "../rewards/reward.js";
import type { AdaptiveOptions } from "./adaptive.js";
import type { BaselineOptions, BaselineSettings } from "./baseline-options.js";
import type { DiffusionOptions } from "./diffusion-options.js";
import type { Plan } from "./plan.js";
import type { PresetOptions } from "./preset.js";
import type { ProposalDiffusionOptions } from "./proposal-options.js";
import type { Step } from "./step.js";

export interface MethodOptions extends SamplingOptions, PromptOptions, BaselineOptions {
  /**
   * M, texts or continuations drawn at each step, from 1 to 4096 (ETS of several steps: 254). Of
   * beam the width, up to 64; of power and mh the texts that are run side by side, up to 84; of
   * particle the particles, up to 127. Default 8; power: 1; adaptive runs: at most 32.
   */
  candidates?: number;
  /** K, rollouts that estimate each candidate's energy, from 1 to 4096. Default 1. */
  rollouts?: number;
  /** I, guidance steps (power: blocks; default 16) over `maxTokens`: blocks of ceil(maxTokens / I) tokens. */
  steps?: number;
  /**
   * Tokens of a guidance step, in place of `steps`; of a diffusion model, the positions it unmasks.
   * Default 64; adaptive runs: one step.
   */
  blockTokens?: number;
  /** λ of the target p_ref · exp(r / λ), from 1e-100 to 1e100. Default .1. */
  lambda?: number;
  /**
   * Longest answer in tokens; of a diffusion model, the positions it is given. Default: 512
   * (diffusion: 256), or what the model's context leaves.
   */
  maxTokens?: number;
  /** How a diffusion model unmasks; refused for others. */
  diffusion?: DiffusionOptions;
  /** Default: self-consistency of the answers that `extract` finds. */
  reward?: Reward | RewardFunction;
  /** Finds a text's answer, for the vote and the result. Default: the usual forms. */
  extract?: AnswerExtractor;
  /** Strings that end a text; they are not part of it. */
  stop?: readonly string[];
  /**
   * How ETS ends: `chain` draws the last block too; `resample` chooses, by exp(r / λ), among the
   * finished rollouts of the last step that has some. Default "chain".
   */
  finish?: "chain" | "resample";
  /** A smaller model of the same tokenizer that draws the rollouts: ETS-IS. */
  proposal?: Model;
  /**
   * The proposal's temperature. Default: the reference's. Cutting its tail off (`topK`, `topP`,
   * `minP`) is refused: texts it can't draw would be missing from the energies, a bias that no
   * weight corrects.
   */
  proposalSampling?: Omit<SamplingOptions, "allowedTokens">;
  /** What of a diffusion proposal is approximated. Default: `{ cache: "dual" }`, Fast-dLLM's. */
  proposalDiffusion?: ProposalDiffusionOptions;
  /**
   * Importance ratios of diffusion models are `exact` under random remasking without parallel
   * decoding, else `approximate` and biased; "exact" refuses to be given others. "one-pass" takes
   * one pass of each model over a rollout instead of one for each of its denoising steps; it is
   * biased the more.
   */
  ratio?: ImportanceRatio;
  /**
   * How importance ratios become weights: `exact` (default; unbiased), `psis` (Pareto-smoothed) or
   * `clip` (log ratios within ±10, as the published code has it; biased).
   */
  weights?: WeightTreatment;
  /** Share of the rollouts that the reference draws itself, 0 (default) to 1. */
  mixture?: number;
  /**
   * Draws candidates in rounds and ends once the reward calls a step settled, with one of its
   * texts; for rewards that vote, as self-consistency does (others never settle). `candidates` is
   * the most a step may draw. Default false.
   */
  adaptive?: boolean | AdaptiveOptions;
  /**
   * Exact savings (METHOD §2); for tests and studies each can be switched off. `prefixes`: what
   * draws of one state have in common is decoded once. `duplicates`: identical candidates share
   * their rollouts; off in adaptive runs, where such texts aren't votes of their own. `decided`: a
   * text whose reward can't change any more is completed without guidance. `answered`: rollouts
   * end with their answers, where the reward has an `answerEnd`.
   */
  shortcuts?: Partial<Shortcuts>;
  /** Settings of the paper for what is not given, by task and family of models. Default: none. */
  preset?: PresetOptions;
  /** Makes every draw reproducible at fixed settings on one machine, from 0 to 2^53 - 1. Default 0. */
  seed?: number;
  /** Aborting rejects with the signal's reason. */
  signal?: AbortSignal;
  budget?: BudgetOptions;
  /** Called with the run's plan before its first token. */
  onPlan?: (plan: Plan) => void;
  /** Called after each step. */
  onStep?: (step: Step) => void;
  /** Called when a step's importance weights can't be trusted, with advice. */
  onWarning?: (message: string) => void;
  /** Called about ten times a second while tokens are drawn. */
  onProgress?: (progress: Progress) => void;
}

interface Shortcuts {
  prefixes: boolean;
  duplicates: boolean;
  decided: boolean;
  answered: boolean;
}

export interface Progress {
  step: number;
  steps: number;
  /** Tokens generated so far. */
  generated: number;
  /** Of a diffusion model: one of the texts being unmasked, `░` where masked. */
  shown?: string;
}

/** What a result reports of its options: all that a rerun needs. */
export interface Settings extends BaselineSettings {
  candidates: number;
  rollouts: number;
  steps: number;
  blockTokens: number;
  lambda: number;
  maxTokens: number;
  /** Of a diffusion model; null for others. */
  diffusion: DenoisingSettings | null;
  reward: string;
  finish: "chain" | "resample";
  /** The proposal's file; null without one. */
  proposal: string | null;
  /** What the proposal draws from: the reference's temperature, or its own, and no truncation. */
  proposalSampling: Sampling | null;
  /** How a diffusion proposal unmasks; null without one. */
  proposalDiffusion: DenoisingSettings | null;
  ratio: ImportanceRatio;
  weights: WeightTreatment;
  mixture: number;
  adaptive: Required<AdaptiveOptions> | null;
  shortcuts: Shortcuts;
  /** Where rollouts end with their answers; null: nowhere. */
  answerEnd: AnswerEnd | null;
  stop: string[];
  sampling: Sampling;
  raw: boolean;
  system: string | null;
  thinking: boolean;
  preset: Required<PresetOptions> | null;
  budget: BudgetOptions;
}

export interface ResolvedOptions {
  settings: Settings;
  seed: number;
  prompt: PromptOptions;
  budget: Budget;
  reward: Reward;
  extract: AnswerExtractor;
  signal: AbortSignal | undefined;
  onPlan: ((plan: Plan) => void) | undefined;
  onStep: ((step: Step) => void) | undefined;
  onWarning: ((message: string) => void) | undefined;
  onProgress: ((progress: Progress) => void) | undefined;
}
