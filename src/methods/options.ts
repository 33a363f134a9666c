/** The options that all methods share: checked, and filled in from the model and the defaults. */
import { Budget, type BudgetOptions } from "../chain/budget.js";
import {
  checkBoolean,
  checkInteger,
  checkKeys,
  checkOneOf,
  checkPositive,
  checkString,
  checkStrings,
} from "../engine/check.js";
import { LlamaEtsError } from "../engine/errors.js";
import type { Model } from "../engine/model.js";
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
import type { Step } from "./result.js";

export interface MethodOptions extends SamplingOptions, PromptOptions {
  /** M, texts or continuations drawn at each step, from 1 to 4096 (ETS of several steps: 254). */
  candidates?: number;
  /** K, rollouts that estimate each candidate's energy, from 1 to 4096. Default 1. */
  rollouts?: number;
  /** I, guidance steps over `maxTokens`. */
  steps?: number;
  /** Tokens of a guidance step; in place of `steps`. */
  blockTokens?: number;
  /** λ of the target p_ref · exp(r / λ), above 0. Default .1. */
  lambda?: number;
  /** Longest answer in tokens. Default: 512, or what the model's context leaves. */
  maxTokens?: number;
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
  /** Exact savings (METHOD §2); for tests and studies each can be switched off. */
  shortcuts?: { duplicates?: boolean; decided?: boolean };
  /** Makes every draw reproducible at fixed settings on one machine, from 0 to 2^53 - 1. Default 0. */
  seed?: number;
  /** Aborting rejects with the signal's reason. */
  signal?: AbortSignal;
  budget?: BudgetOptions;
  /** Called after each step. */
  onStep?: (step: Step) => void;
  /** Called about ten times a second while tokens are drawn. */
  onProgress?: (progress: Progress) => void;
}

export interface Progress {
  step: number;
  steps: number;
  /** Tokens generated so far. */
  generated: number;
}

const KEYS = [
  ...SAMPLING_KEYS,
  ...["raw", "system", "thinking"],
  ...["candidates", "rollouts", "steps", "blockTokens", "lambda", "maxTokens", "reward", "extract"],
  ...["stop", "finish", "shortcuts", "seed", "signal", "budget", "onStep", "onProgress"],
];

/** What a result reports of its options: all that a rerun needs. */
export interface Settings {
  candidates: number;
  rollouts: number;
  steps: number;
  blockTokens: number;
  lambda: number;
  maxTokens: number;
  reward: string;
  finish: "chain" | "resample";
  shortcuts: { duplicates: boolean; decided: boolean };
  stop: string[];
  sampling: Sampling;
  raw: boolean;
  system: string | null;
  thinking: boolean;
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
  onStep: ((step: Step) => void) | undefined;
  onProgress: ((progress: Progress) => void) | undefined;
}

const MAX_DRAWS = 4096;
const DEFAULT_MAX_TOKENS = 512;
const DEFAULT_CANDIDATES = 8;
const DEFAULT_STEPS = 4;

/** Throws `ERR_INVALID_OPTION`. `promptTokens` bounds the default of `maxTokens`. */
export function resolveOptions(
  options: MethodOptions,
  model: Model,
  promptTokens: number,
): ResolvedOptions {
  const extract = options.extract ?? extractAnswer;
  const reward = toReward(options.reward ?? selfConsistency({ extract }));
  return {
    settings: resolveSettings(options, model, promptTokens, reward.name),
    seed: checkInteger("seed", options.seed ?? 0, 0, Number.MAX_SAFE_INTEGER),
    prompt: promptOptions(options),
    budget: new Budget(options.budget),
    reward,
    extract,
    signal: options.signal,
    onStep: options.onStep,
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
  options: MethodOptions,
  model: Model,
  promptTokens: number,
  reward: string,
): Settings {
  const room = Math.max(1, model.info.contextLength - promptTokens);
  const maxTokens = checkInteger(
    "maxTokens",
    options.maxTokens ?? Math.min(DEFAULT_MAX_TOKENS, room),
    1,
    2 ** 24,
  );
  const { shortcuts = {} } = options;
  checkKeys("shortcuts", shortcuts, ["duplicates", "decided"]);
  const { duplicates = true, decided = true } = shortcuts;
  return {
    candidates: checkInteger("candidates", options.candidates ?? DEFAULT_CANDIDATES, 1, MAX_DRAWS),
    rollouts: checkInteger("rollouts", options.rollouts ?? 1, 1, MAX_DRAWS),
    ...resolveSteps(options, maxTokens),
    lambda: checkPositive("lambda", options.lambda ?? 0.1),
    maxTokens,
    reward,
    finish: checkOneOf("finish", options.finish ?? "chain", ["chain", "resample"]),
    shortcuts: {
      duplicates: checkBoolean("shortcuts.duplicates", duplicates),
      decided: checkBoolean("shortcuts.decided", decided),
    },
    stop: checkStrings("stop", options.stop ?? []),
    sampling: resolveSampling(options, model.info.vocabSize),
    raw: options.raw ?? false,
    system: options.system ?? null,
    thinking: options.thinking ?? false,
    budget: { ...options.budget },
  };
}

/** I and B, each from the other: B = ceil(maxTokens / I). */
function resolveSteps(
  { steps, blockTokens }: MethodOptions,
  maxTokens: number,
): { steps: number; blockTokens: number } {
  if (steps !== undefined && blockTokens !== undefined) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "Expected `steps` or `blockTokens`, got both");
  }
  if (blockTokens !== undefined) {
    const block = Math.min(checkInteger("blockTokens", blockTokens, 1, 2 ** 24), maxTokens);
    return { steps: Math.ceil(maxTokens / block), blockTokens: block };
  }
  const wanted = checkInteger("steps", steps ?? DEFAULT_STEPS, 1, 2 ** 24);
  const block = Math.ceil(maxTokens / Math.min(wanted, maxTokens));
  return { steps: Math.ceil(maxTokens / block), blockTokens: block };
}
