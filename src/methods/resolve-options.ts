/** Options checked, and filled in from the method, the model and the defaults. */

import { checkAnswerEnd } from "../chain/answer-end.js";
import { Budget } from "../chain/budget.js";
import { type DenoisingSettings, guidanceLength } from "../chain/denoising.js";
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
import { Model } from "../engine/local/model.js";
import type { PromptOptions } from "../engine/prompt.js";
import { resolveSampling, SAMPLING_KEYS } from "../engine/sampling.js";
import { extractAnswer } from "../rewards/answer.js";
import { type Reward, toReward } from "../rewards/reward.js";
import { selfConsistency } from "../rewards/self-consistency.js";
import { resolveAdaptive } from "./adaptive.js";
import { resolveBaseline } from "./baseline-options.js";
import { DEFAULT_BLOCK_LENGTH, resolveDiffusion } from "./diffusion-options.js";
import {
  checkOwnOptions,
  fixSettings,
  type MethodName,
  withMethodDefaults,
} from "./method-names.js";
import type { MethodOptions, ResolvedOptions, Settings } from "./options.js";
import { checkPreset, type PresetOptions, withPreset } from "./preset.js";
import { resolveProposal } from "./proposal-options.js";

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
  const settings = resolveSettings(method, options, limits, reward);
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
  reward: Reward,
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
  checkKeys("shortcuts", shortcuts, ["prefixes", "duplicates", "decided", "answered"]);
  const adaptive = resolveAdaptive(method, options.adaptive);
  const most = adaptive === null ? DEFAULT_CANDIDATES : DEFAULT_ADAPTIVE_CANDIDATES;
  const { prefixes = true, duplicates = adaptive === null } = shortcuts;
  const { decided = true, answered = true } = shortcuts;
  const { answerEnd } = reward;
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
    reward: reward.name,
    finish: checkOneOf("finish", options.finish ?? "chain", ["chain", "resample"]),
    ...resolveProposal(options, sampling, diffusion, hasProposal),
    adaptive,
    shortcuts: {
      prefixes: checkBoolean("shortcuts.prefixes", prefixes),
      duplicates: checkBoolean("shortcuts.duplicates", duplicates),
      decided: checkBoolean("shortcuts.decided", decided),
      answered: checkBoolean("shortcuts.answered", answered),
    },
    answerEnd:
      answerEnd && answered && !isDiffusion ? checkAnswerEnd("answerEnd", answerEnd) : null,
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
