/** Options checked, and filled in from the method, the model and the defaults. */

import { checkAnswerEnd } from "../../chain/answer-end.js";
import { Budget } from "../../chain/budget.js";
import {
  checkBoolean,
  checkFunction,
  checkInteger,
  checkModel,
  checkNumber,
  checkObject,
  checkOneOf,
  checkSignal,
  checkStrings,
  optional,
} from "../../engine/check.js";
import type { Model } from "../../engine/engine.js";
import { LlamaEtsError } from "../../engine/errors.js";
import { resolveSampling } from "../../engine/sampling.js";
import { TOKEN_METRICS, type TokenMetric } from "../../engine/sequences.js";
import { checkReward, toReward } from "../../rewards/reward.js";
import { selfConsistency } from "../../rewards/self-consistency.js";
import { resolveAdaptive } from "../adaptive.js";
import type { MethodFacts } from "../method.js";
import type { CommonOptions, PresetOptions } from "./common.js";
import { withDefaults } from "./common-specs.js";
import { resolveClose, resolveConstraintLaw, votedAnswer } from "./constraint.js";
import { DEFAULT_BLOCK_LENGTH, resolveDiffusion } from "./diffusion.js";
import { type CompiledOptions, checkNames, type GivenOptions } from "./given.js";
import { resolveGuidance } from "./guidance.js";
import { type OwnOptions, resolveOwn, type ValuesOf } from "./option.js";
import { resolvePotential } from "./potential.js";
import { checkPreset, withPreset } from "./preset.js";
import { promptOptions, refuseBudget } from "./prompt.js";
import { resolveProposal } from "./proposal.js";
import type { Guidance, Resolved } from "./settings.js";

/** Below this, reward / λ leaves the range of a double. */
const MIN_LAMBDA = 1e-100;
const DEFAULT_MAX_TOKENS = 512;
const DEFAULT_DIFFUSION_LENGTH = 256;
/** The properties of the models on which the settings depend. */
interface Limits {
  /** Longest answer that the context leaves room for. */
  room: number;
  /** With a proposal: the size of the vocabulary that both share. */
  vocabSize: number;
  isDiffusion: boolean;
}

/**
 * Refuses options that are invalid for every model, before one is loaded.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`
 */
export function checkOptions(method: MethodFacts, options: GivenOptions): void {
  checkNames(method, options);
  if (options.preset !== undefined) checkPreset(options.preset);
  optional(checkModel, "proposal", options.proposal);
  // What only a diffusion model can be asked for is refused later, where the model is another.
  const { diffusion, proposalDiffusion, ratio = "exact" } = options;
  const isDiffusion =
    diffusion !== undefined || proposalDiffusion !== undefined || ratio !== "exact";
  resolve(method, options, { room: 2 ** 24, vocabSize: 2 ** 31 - 1, isDiffusion });
}

/**
 * The options of a run on a model.
 *
 * @param promptTokens bounds the default of `maxTokens`
 * @throws LlamaEtsError `ERR_INVALID_OPTION`, `ERR_TOKENIZER_MISMATCH`
 */
export function resolveOptions<O extends OwnOptions>(
  method: MethodFacts<O>,
  given: CompiledOptions,
  model: Pick<Model, "info" | "matchTokenizer">,
  promptTokens: number,
): Resolved<ValuesOf<O>> {
  const options: CompiledOptions = withPreset(method.name, given, model);
  const { proposal } = options;
  if (method.proposal !== undefined && proposal === undefined) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", `${method.name} needs a \`proposal\``, {
      fix: "a smaller model of the same family",
    });
  }
  optional(checkModel, "proposal", proposal);
  return resolve(method, options, {
    room: Math.max(1, model.info.contextLength - promptTokens),
    vocabSize: proposal ? model.matchTokenizer(proposal) : model.info.vocabSize,
    isDiffusion: model.info.isDiffusion,
  });
}

function resolve<O extends OwnOptions>(
  method: MethodFacts<O>,
  given: CompiledOptions,
  { room, vocabSize, isDiffusion }: Limits,
): Resolved<ValuesOf<O>> {
  const options: CompiledOptions = {
    ...withDefaults(method.defaults ?? {}, given),
    ...method.overrides,
  };
  const { maxTokens: most = defaultMaxTokens(options, room, isDiffusion) } = options;
  const maxTokens = checkInteger("maxTokens", most, 1, 2 ** 24);
  if (options.diffusion !== undefined && !isDiffusion) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "`diffusion` is for diffusion models");
  }
  if (isDiffusion) refuseBudget(options);
  const denoising = isDiffusion ? resolveDiffusion(options.diffusion, maxTokens) : null;
  if (denoising?.blockLengths !== undefined) checkTurns(method, options);
  const { constraint } = options;
  if (constraint !== undefined) checkObject("constraint", constraint);
  const isCompiled = constraint !== undefined && "fingerprint" in constraint;
  const sampling = resolveSampling(options, vocabSize, isCompiled ? constraint : undefined);
  const constraintLaw = resolveConstraintLaw(method, options, isDiffusion);
  const guidance = resolveGuidance(method, options, maxTokens, denoising);
  const own = resolveOwn(method.own, options as Record<string, unknown>);
  const { stop = [], seed = 0, lambda = 0.1 } = options;
  const resolved: Resolved<ValuesOf<O>> = {
    policy: {
      sampling,
      stop: [...checkStrings("stop", stop)],
      prompt: promptOptions(options),
      seed: checkInteger("seed", seed, 0, Number.MAX_SAFE_INTEGER),
      constraintLaw,
    },
    guidance,
    energy: {
      ...resolveReward(method, options, {
        guidance,
        own,
        isDiffusion,
        isConditioned: constraintLaw === "conditioned",
      }),
      lambda: checkNumber("lambda", lambda, MIN_LAMBDA, 1 / MIN_LAMBDA),
      proposal:
        method.proposal === undefined
          ? null
          : resolveProposal(options, sampling, denoising, guidance.rollouts),
    },
    denoising,
    limits: {
      maxTokens,
      closes: resolveClose(options),
      budget: new Budget(options.budget),
      budgetOptions: { ...options.budget },
    },
    own,
    preset: (options.preset as Required<PresetOptions> | undefined) ?? null,
    prefixCache: optional(checkBoolean, "prefixCache", options.prefixCache) ?? true,
    callbacks: resolveCallbacks(options),
  };
  method.check?.(resolved);
  return resolved;
}

function resolveCallbacks(options: CommonOptions): Resolved["callbacks"] {
  const signal = optional(checkSignal, "signal", options.signal);
  const onPlan = optional(checkFunction, "onPlan", options.onPlan);
  const onStep = optional(checkFunction, "onStep", options.onStep);
  const onText = optional(checkFunction, "onText", options.onText);
  const onWarning = optional(checkFunction, "onWarning", options.onWarning);
  const onProgress = optional(checkFunction, "onProgress", options.onProgress);
  return {
    ...(signal && { signal }),
    ...(onPlan && { onPlan }),
    ...(onStep && { onStep }),
    ...(onText && { onText }),
    ...(onWarning && { onWarning }),
    ...(onProgress && { onProgress }),
  };
}

function resolveReward<O extends OwnOptions>(
  method: MethodFacts<O>,
  options: CompiledOptions,
  {
    guidance,
    own,
    isDiffusion,
    isConditioned,
  }: { guidance: Guidance; own: ValuesOf<O>; isDiffusion: boolean; isConditioned: boolean },
): Pick<
  Resolved["energy"],
  "reward" | "potential" | "metrics" | "extract" | "hasExtract" | "answerEnd"
> {
  const { adaptive, shortcuts } = guidance;
  if (options.extract !== undefined && (options.voteFields ?? options.voteExcept) !== undefined) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      "`extract`, which a task has too, finds answers in texts; `voteFields` and `voteExcept` look at data",
      { fix: "one of the two" },
    );
  }
  const extract = optional(checkFunction, "extract", options.extract) ?? votedAnswer(options);
  const potential = resolvePotential(options);
  const fallback =
    potential ?? method.defaultReward?.(own, isConditioned) ?? selfConsistency({ extract });
  const { reward: given = fallback } = options;
  const reward = method.reward?.(extract, adaptive, own) ?? toReward(checkReward("reward", given));
  const { answerEnd } = reward;
  const ofBlocks = guidance.block === "entropy" ? (["entropies"] as const) : [];
  const measured = resolveMetrics(method, options, isDiffusion);
  const ofMethod = isDiffusion ? [] : [...(method.metrics?.(own) ?? []), ...ofBlocks];
  // What follows an answer counts where a constraint is to be met.
  const isWhole = isDiffusion || options.constraint !== undefined;
  const endsThere = answerEnd !== undefined && shortcuts.answered && !isWhole;
  return {
    reward,
    potential,
    extract,
    hasExtract: options.extract !== undefined,
    metrics: [
      ...new Set([
        ...(reward.metrics ?? []),
        ...(potential?.metrics ?? []),
        ...ofMethod,
        ...measured,
      ]),
    ],
    answerEnd: endsThere ? checkAnswerEnd("answerEnd", answerEnd) : null,
  };
}

/** The metrics of tokens that the caller asks for. */
function resolveMetrics(
  { name, expands }: MethodFacts,
  { metrics }: CommonOptions,
  isDiffusion: boolean,
): readonly TokenMetric[] {
  const asked = (optional(checkStrings, "metrics", metrics) ?? []).map((metric, i) =>
    checkOneOf(`metrics[${i}]`, metric as TokenMetric, TOKEN_METRICS),
  );
  if (asked.length === 0 || !(isDiffusion || expands)) return asked;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    isDiffusion
      ? "`metrics` are of tokens that are drawn one after another, which a diffusion model's aren't"
      : `\`metrics\` are measured of tokens that are drawn, and ${name} ranks them`,
  );
}

/** Refuses several block lengths unless whole texts are drawn independently. */
function checkTurns({ name, drawsIndependent }: MethodFacts, { adaptive }: CommonOptions): void {
  const option = "`diffusion.blockLengths`";
  if (drawsIndependent !== true) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `${option} is for majority and best-of-n, whose texts are whole from the start; ${name} goes on from some`,
      { fix: "`diffusion.blockLength`" },
    );
  }
  const rule = resolveAdaptive(adaptive)?.rule;
  if (rule === undefined || rule === "unanimous") return;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    `The rule "${rule}" of \`adaptive\` is for texts of one law, and ${option} gives them several`,
    { fix: 'adaptive: { rule: "unanimous" }' },
  );
}

/** A diffusion model's answer has whole blocks. */
function defaultMaxTokens(
  { diffusion }: CommonOptions,
  room: number,
  isDiffusion: boolean,
): number {
  if (!isDiffusion) return Math.min(DEFAULT_MAX_TOKENS, room);
  const most = Math.min(DEFAULT_DIFFUSION_LENGTH, room);
  const { blockLength = DEFAULT_BLOCK_LENGTH, blockLengths } = diffusion ?? {};
  // Several lengths are checked with a length of the answer; one that they don't fit is refused with one
  // that they do.
  if (blockLengths !== undefined) return most;
  return Math.max(Math.floor(most / blockLength) * blockLength, Math.min(blockLength, most));
}
