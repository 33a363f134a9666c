/** The options that all methods share: checked, and filled in from the model and the defaults. */
import { Budget, type BudgetOptions } from "../chain/budget.js";
import { type DenoisingSettings, guidanceLength } from "../chain/denoising.js";
import type { WeightTreatment } from "../energy/importance-sampling.js";
import {
  checkBoolean,
  checkInteger,
  checkKeys,
  checkNumber,
  checkOneOf,
  checkString,
  checkStrings,
} from "../engine/check.js";
import { LlamaEtsError } from "../engine/errors.js";
import { Model } from "../engine/model.js";
import type { PromptOptions } from "../engine/prompt.js";
import {
  resolveSampling,
  SAMPLING_KEYS,
  type Sampling,
  type SamplingOptions,
} from "../engine/sampling.js";
import { type AnswerExtractor, extractAnswer } from "../rewards/answer.js";
import { type Reward, type RewardFunction, toReward } from "../rewards/reward.js";
import { selfConsistency } from "../rewards/self-consistency.js";
import { type AdaptiveOptions, resolveAdaptive } from "./adaptive.js";
import {
  type BaselineOptions,
  type BaselineSettings,
  resolveBaseline,
} from "./baseline-options.js";
import {
  DEFAULT_BLOCK_LENGTH,
  type DiffusionOptions,
  resolveDiffusion,
} from "./diffusion-options.js";
import {
  checkOwnOptions,
  fixSettings,
  type MethodName,
  withMethodDefaults,
} from "./method-names.js";
import type { Plan } from "./plan.js";
import { checkPreset, type PresetOptions, withPreset } from "./preset.js";
import {
  type ImportanceRatio,
  type ProposalDiffusionOptions,
  resolveProposal,
} from "./proposal-options.js";
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
   * decoding, else `approximate` and biased; "exact" refuses to be given others.
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
   * text whose reward can't change any more is completed without guidance.
   */
  shortcuts?: { prefixes?: boolean; duplicates?: boolean; decided?: boolean };
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

export interface Progress {
  step: number;
  steps: number;
  /** Tokens generated so far. */
  generated: number;
  /** Of a diffusion model: one of the texts being unmasked, `░` where masked. */
  shown?: string;
}

const KEYS = [
  ...SAMPLING_KEYS,
  ...["raw", "system", "thinking"],
  ...["candidates", "rollouts", "steps", "blockTokens", "lambda", "maxTokens", "reward", "extract"],
  ...["diffusion", "lengthPenalty", "alpha", "moves", "preset"],
  ...[
    "proposal",
    "proposalSampling",
    "proposalDiffusion",
    "ratio",
    "weights",
    "mixture",
    "adaptive",
  ],
  ...[
    "stop",
    "finish",
    "shortcuts",
    "seed",
    "signal",
    "budget",
    "onPlan",
    "onStep",
    "onWarning",
    "onProgress",
  ],
];

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
  shortcuts: { prefixes: boolean; duplicates: boolean; decided: boolean };
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

const MAX_DRAWS = 4096;
/** Beyond it reward / λ leaves the range of a double. */
const MIN_LAMBDA = 1e-100;
const DEFAULT_MAX_TOKENS = 512;
const DEFAULT_DIFFUSION_LENGTH = 256;
const DEFAULT_CANDIDATES = 8;
/** As in the paper's settings. */
const DEFAULT_BLOCK_TOKENS = 64;
/** Adaptive runs take as many as the vote needs, mostly far fewer. */
const DEFAULT_ADAPTIVE_CANDIDATES = 32;

/** What of the models the settings depend on. */
interface Limits {
  /** Longest answer that the context leaves room for. */
  room: number;
  /** With a proposal: the size of the vocabulary that both share. */
  vocabSize: number;
  hasProposal: boolean;
  isDiffusion: boolean;
}

/** Throws `ERR_INVALID_OPTION`. `promptTokens` bounds the default of `maxTokens`. */
export function resolveOptions(
  method: MethodName,
  given: MethodOptions,
  model: Model,
  promptTokens: number,
): ResolvedOptions {
  const options = withPreset(method, given, model);
  const { proposal } = options;
  if (proposal !== undefined && !(proposal instanceof Model)) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "Expected `proposal` to be a loaded model");
  }
  return resolve(method, options, {
    room: Math.max(1, model.info.contextLength - promptTokens),
    vocabSize: proposal ? model.matchTokenizer(proposal) : model.info.vocabSize,
    hasProposal: proposal !== undefined,
    isDiffusion: model.info.isDiffusion,
  });
}

/** Refuses what no model could be asked for, before one is loaded. Throws `ERR_INVALID_OPTION`. */
export function checkOptions(
  method: MethodName,
  options: MethodOptions,
  { hasProposal = false } = {},
): void {
  checkOptionNames(options);
  checkOwnOptions(method, options);
  if (options.preset !== undefined) checkPreset(options.preset);
  promptOptions(options);
  const isDiffusion = options.diffusion !== undefined;
  resolve(method, options, { room: 2 ** 24, vocabSize: 2 ** 31 - 1, hasProposal, isDiffusion });
}

function resolve(method: MethodName, given: MethodOptions, limits: Limits): ResolvedOptions {
  const options = withMethodDefaults(method, given);
  const extract = options.extract ?? extractAnswer;
  const reward = toReward(options.reward ?? selfConsistency({ extract }));
  const settings = resolveSettings(method, options, limits, reward.name);
  return {
    settings: { ...settings, ...fixSettings(method, settings) },
    seed: checkInteger("seed", options.seed ?? 0, 0, Number.MAX_SAFE_INTEGER),
    prompt: promptOptions(options),
    budget: new Budget(options.budget),
    reward,
    extract,
    signal: options.signal,
    onPlan: options.onPlan,
    onStep: options.onStep,
    onWarning: options.onWarning,
    onProgress: options.onProgress,
  };
}

/** The part of the options that shapes the prompt. */
export function promptOptions({ raw, system, thinking }: MethodOptions): PromptOptions {
  return {
    ...(raw !== undefined && { raw: checkBoolean("raw", raw) }),
    ...(system !== undefined && { system: checkString("system", system) }),
    ...(thinking !== undefined && { thinking: checkBoolean("thinking", thinking) }),
  };
}

/** Refuses misspelt options before anything is done with the others. */
export function checkOptionNames(options: MethodOptions): void {
  checkKeys("options", options, KEYS);
}

function resolveSettings(
  method: MethodName,
  options: MethodOptions,
  { room, vocabSize, hasProposal, isDiffusion }: Limits,
  reward: string,
): Settings {
  const maxTokens = checkInteger(
    "maxTokens",
    options.maxTokens ?? defaultMaxTokens(options, room, isDiffusion),
    1,
    2 ** 24,
  );
  if (options.diffusion !== undefined && !isDiffusion) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "`diffusion` is for diffusion models");
  }
  const diffusion = isDiffusion ? resolveDiffusion(options.diffusion, maxTokens) : null;
  const sampling = resolveSampling(options, vocabSize);
  const { shortcuts = {} } = options;
  checkKeys("shortcuts", shortcuts, ["prefixes", "duplicates", "decided"]);
  const adaptive = resolveAdaptive(method, options.adaptive);
  const most = adaptive === null ? DEFAULT_CANDIDATES : DEFAULT_ADAPTIVE_CANDIDATES;
  const { prefixes = true, duplicates = adaptive === null, decided = true } = shortcuts;
  const candidates = checkInteger("candidates", options.candidates ?? most, 1, MAX_DRAWS);
  return {
    candidates,
    rollouts: checkInteger("rollouts", options.rollouts ?? 1, 1, MAX_DRAWS),
    ...resolveSteps(
      options,
      maxTokens,
      adaptive === null ? DEFAULT_BLOCK_TOKENS : maxTokens,
      diffusion,
    ),
    ...resolveBaseline(method, options, sampling, candidates),
    lambda: checkNumber("lambda", options.lambda ?? 0.1, MIN_LAMBDA, 1 / MIN_LAMBDA),
    maxTokens,
    diffusion,
    reward,
    finish: checkOneOf("finish", options.finish ?? "chain", ["chain", "resample"]),
    ...resolveProposal(options, sampling, diffusion, hasProposal),
    adaptive,
    shortcuts: {
      prefixes: checkBoolean("shortcuts.prefixes", prefixes),
      duplicates: checkBoolean("shortcuts.duplicates", duplicates),
      decided: checkBoolean("shortcuts.decided", decided),
    },
    stop: checkStrings("stop", options.stop ?? []),
    sampling,
    raw: options.raw ?? false,
    system: options.system ?? null,
    thinking: options.thinking ?? false,
    preset: (options.preset as Required<PresetOptions> | undefined) ?? null,
    budget: { ...options.budget },
  };
}

/** A diffusion model's answer has whole blocks. */
function defaultMaxTokens(
  { diffusion }: MethodOptions,
  room: number,
  isDiffusion: boolean,
): number {
  if (!isDiffusion) return Math.min(DEFAULT_MAX_TOKENS, room);
  const most = Math.min(DEFAULT_DIFFUSION_LENGTH, room);
  const { blockLength = DEFAULT_BLOCK_LENGTH } = diffusion ?? {};
  return Math.max(Math.floor(most / blockLength) * blockLength, Math.min(blockLength, most));
}

/** I and B, each from the other: B = ceil(maxTokens / I), or whole denoising steps. */
function resolveSteps(
  { steps, blockTokens }: MethodOptions,
  maxTokens: number,
  defaultBlock: number,
  diffusion: DenoisingSettings | null,
): { steps: number; blockTokens: number } {
  if (steps !== undefined && blockTokens !== undefined) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "Expected `steps` or `blockTokens`, got both");
  }
  const block =
    steps === undefined
      ? checkInteger("blockTokens", blockTokens ?? defaultBlock, 1, 2 ** 24)
      : Math.ceil(maxTokens / checkInteger("steps", steps, 1, 2 ** 24));
  const fitting = Math.min(block, maxTokens);
  if (diffusion !== null) {
    const { denoisingSteps } = diffusion;
    const length = guidanceLength(diffusion, fitting, maxTokens);
    return {
      steps: Math.ceil(denoisingSteps / length),
      blockTokens: Math.ceil((length * maxTokens) / denoisingSteps),
    };
  }
  return { steps: Math.ceil(maxTokens / fitting), blockTokens: fitting };
}
