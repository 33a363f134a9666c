/** The resolved options of a run, in groups, and as the flat record of a result. */
import type { AnswerEnd } from "../../chain/answer-end.js";
import type { Budget, BudgetOptions } from "../../chain/budget.js";
import type { DenoisingSettings, ImportanceRatio } from "../../chain/denoising.js";
import type { WeightTreatment } from "../../energy/importance-sampling.js";
import type { EncodedPrompt, PromptOptions } from "../../engine/chat/conversation.js";
import type { Tool } from "../../engine/chat/messages.js";
import { type Reasoning, resolveReasoning } from "../../engine/chat/reasoning.js";
import type { Sampling } from "../../engine/sampling.js";
import type { TokenMetric } from "../../engine/sequences.js";
import type { AnswerExtractor, Reward } from "../../rewards/reward.js";
import type { AdaptiveSettings } from "../adaptive.js";
import type { Step } from "../step.js";
import type {
  BlockKind,
  CommonOptions,
  ConstraintLaw,
  Finish,
  PresetOptions,
  Shortcuts,
} from "./common.js";

/** The reference policy p_ref: the prompt, and how texts are drawn. */
interface Policy {
  sampling: Sampling;
  stop: string[];
  prompt: PromptOptions;
  seed: number;
  /** What a constraint makes of p_ref; null where there is none. */
  constraintLaw: ConstraintLaw | null;
}

/** How the run is divided into steps, and what each step draws. */
export interface Guidance {
  /** M. */
  candidates: number;
  /** K. */
  rollouts: number;
  /** I. */
  steps: number;
  /** B. */
  blockTokens: number;
  /** The fewest tokens of a block: B, unless blocks end where the text tells. */
  leastTokens: number;
  block: BlockKind;
  finish: Finish;
  adaptive: AdaptiveSettings | null;
  shortcuts: Shortcuts;
}

/** The reward of texts, and how their energies are estimated. */
interface Energy {
  lambda: number;
  reward: Reward;
  /** Judges unfinished texts; null where rollouts do. */
  potential: Reward | null;
  /** The metrics of texts that the reward and the method need. */
  metrics: readonly TokenMetric[];
  extract: AnswerExtractor;
  /** Whether the caller said where answers are. */
  hasExtract: boolean;
  /** Where rollouts end with their answers; null: nowhere. */
  answerEnd: AnswerEnd | null;
  /** Null where the reference draws every rollout. */
  proposal: ProposalSettings | null;
}

/** The proposal's part of ETS-IS. */
export interface ProposalSettings {
  /** The proposal's file; null while it isn't known. */
  path: string | null;
  /** What the proposal draws from: the reference's temperature, or its own, and no truncation. */
  sampling: Sampling;
  /** How a diffusion proposal unmasks; null for an autoregressive one. */
  denoising: DenoisingSettings | null;
  ratio: ImportanceRatio;
  weights: WeightTreatment;
  mixture: number;
  /** Tokens between two resamplings of a candidate's rollouts; null: they aren't resampled. */
  resampleEvery: number | null;
}

interface Limits {
  maxTokens: number;
  /** Whether a text that `maxTokens` cut off is closed by its constraint. */
  closes: boolean;
  budget: Budget;
  /** What the budget was made from. */
  budgetOptions: BudgetOptions;
}

/** The options of a run, resolved. `Own` are the method's own. */
export interface Resolved<Own = unknown> {
  policy: Policy;
  guidance: Guidance;
  energy: Energy;
  /** Null for an autoregressive model. */
  denoising: DenoisingSettings | null;
  limits: Limits;
  own: Own;
  preset: Required<PresetOptions> | null;
  /** No setting of a result: it is the same, up to rounding. */
  prefixCache: boolean;
  callbacks: Pick<
    CommonOptions,
    "signal" | "onPlan" | "onStep" | "onText" | "onWarning" | "onProgress"
  >;
}

/** The options as a result reports them: everything that a rerun needs. */
export interface Settings {
  candidates: number;
  rollouts: number;
  steps: number;
  blockTokens: number;
  /** Where guidance steps end; absent where they do by tokens. */
  block?: BlockKind;
  lambda: number;
  maxTokens: number;
  /** Null for an autoregressive model. */
  diffusion: DenoisingSettings | null;
  reward: string;
  finish: Finish;
  /** What judges unfinished texts; absent where rollouts do. */
  potential?: string;
  /** The proposal's file; null without one. */
  proposal: string | null;
  /** What the proposal draws from: the reference's temperature, or its own, and no truncation. */
  proposalSampling: Sampling | null;
  /** How a diffusion proposal unmasks; null without one. */
  proposalDiffusion: DenoisingSettings | null;
  ratio: ImportanceRatio;
  weights: WeightTreatment;
  mixture: number;
  /** Tokens between two resamplings of a candidate's rollouts; null: they aren't resampled. */
  resampleEvery: number | null;
  adaptive: AdaptiveSettings | null;
  shortcuts: Shortcuts;
  /** Where rollouts end with their answers; null: nowhere. */
  answerEnd: AnswerEnd | null;
  stop: string[];
  sampling: Sampling;
  /** What a constraint makes of p_ref; absent where there is none. */
  constraintLaw?: ConstraintLaw;
  /** Absent where texts that `maxTokens` cuts off stay what they are. */
  close?: true;
  raw: boolean;
  system: string | null;
  /** Null: none was asked for, and the template's switches are off. */
  reasoning: Reasoning | null;
  /** Absent where none were given. */
  tools?: readonly Tool[];
  /** Absent where the model's own was used. */
  chatTemplate?: string;
  /** The day that the template took for today; absent where none was given. */
  date?: string;
  preset: Required<PresetOptions> | null;
  budget: BudgetOptions;
  /** The method's own options, such as `moves`. */
  [own: string]: unknown;
}

/** The settings of a run as plain data. */
export function settingsOf({
  policy,
  guidance,
  energy,
  denoising,
  limits,
  own,
  preset,
}: Resolved): Settings {
  const { candidates, rollouts, steps, blockTokens, finish, adaptive, shortcuts } = guidance;
  const { block } = guidance;
  const { lambda, reward, potential, answerEnd, proposal } = energy;
  const { raw = false, system = null, reasoning, ...others } = policy.prompt;
  return {
    candidates,
    rollouts,
    steps,
    blockTokens,
    ...(block !== "tokens" && { block }),
    ...(own as object),
    lambda,
    maxTokens: limits.maxTokens,
    diffusion: denoising,
    reward: reward.name,
    finish,
    // Absent, not null: the keys of samples that were drawn without one stay what they were.
    ...(potential && { potential: potential.name }),
    proposal: proposal?.path ?? null,
    proposalSampling: proposal?.sampling ?? null,
    proposalDiffusion: proposal?.denoising ?? null,
    ratio: proposal?.ratio ?? "exact",
    weights: proposal?.weights ?? "exact",
    mixture: proposal?.mixture ?? 0,
    resampleEvery: proposal?.resampleEvery ?? null,
    adaptive,
    shortcuts,
    answerEnd,
    stop: policy.stop,
    sampling: policy.sampling,
    ...(policy.constraintLaw && { constraintLaw: policy.constraintLaw }),
    ...(limits.closes && { close: true }),
    raw,
    system,
    ...others,
    reasoning: reasoning === undefined ? null : resolveReasoning(reasoning),
    preset,
    budget: limits.budgetOptions,
  };
}

/** The options of a run's chain. `steps` are the run's steps so far. */
export function chainOptionsOf(
  { policy, guidance, energy, denoising, limits, callbacks, prefixCache }: Resolved,
  { tokens: prompt, thoughts }: Pick<EncodedPrompt, "tokens" | "thoughts">,
  steps: readonly Step[],
) {
  const { onProgress } = callbacks;
  return {
    prompt,
    policy: {
      sampling: policy.sampling,
      stop: policy.stop,
      seed: policy.seed,
      thoughts,
      conditions: policy.constraintLaw === "conditioned",
    },
    guidance: {
      blockTokens: guidance.blockTokens,
      leastTokens: guidance.leastTokens,
      blockEnd: guidance.block === "tokens" ? null : guidance.block,
      sharePrefixes: guidance.shortcuts.prefixes,
    },
    prefixCache,
    denoising,
    ratio: energy.proposal?.ratio ?? ("exact" as const),
    metrics: energy.metrics,
    answerEnd: energy.answerEnd,
    limits: { maxTokens: limits.maxTokens, budget: limits.budget, signal: callbacks.signal },
    onProgress:
      onProgress &&
      ((generated: number, shown?: string) =>
        onProgress({
          step: steps.length,
          steps: guidance.steps,
          generated,
          ...(shown !== undefined && { shown }),
        })),
  };
}
