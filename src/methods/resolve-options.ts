/** Options checked, and filled in from the method, the model and the defaults. */

import { checkAnswerEnd } from "../chain/answer-end.js";
import { Budget } from "../chain/budget.js";
import type { DenoisingSettings } from "../chain/denoising.js";
import type { PromptOptions } from "../engine/chat/conversation.js";
import { readTools, type Tool } from "../engine/chat/messages.js";
import { type ReasoningOption, resolveReasoning } from "../engine/chat/reasoning.js";
import { checkToolChoice, restrictsCalls } from "../engine/chat/tool-choice.js";
import {
  checkBoolean,
  checkFunction,
  checkInteger,
  checkKeys,
  checkModel,
  checkNumber,
  checkOneOf,
  checkSignal,
  checkString,
  checkStrings,
  optional,
} from "../engine/check.js";
import type { CompiledConstraint, Constraint } from "../engine/constraint/kinds.js";
import type { Model } from "../engine/engine.js";
import { LlamaEtsError } from "../engine/errors.js";
import { given } from "../engine/given.js";
import { checkDate, checkRaw, checkTemplate } from "../engine/prompt.js";
import { resolveSampling } from "../engine/sampling.js";
import { extractAnswer } from "../rewards/answer.js";
import type { AnswerExtractor } from "../rewards/reward.js";
import { checkReward, toReward } from "../rewards/reward.js";
import { selfConsistency } from "../rewards/self-consistency.js";
import { callVotes, jsonVotes, votedParts } from "../rewards/vote-value.js";
import { resolveAdaptive } from "./adaptive.js";
import { resolveBlocks } from "./blocks.js";
import { DEFAULT_BLOCK_LENGTH, resolveDiffusion } from "./diffusion-options.js";
import type { MethodFacts } from "./method.js";
import { type OwnOptions, resolveOwn, type ValuesOf } from "./option.js";
import {
  COMMON_OPTIONS,
  CONSTRAINT_LAWS,
  type CommonOptions,
  type ConstraintLaw,
  FINISHES,
  GUIDANCE_OPTIONS,
  type PresetOptions,
  withDefaults,
} from "./options.js";
import { type PotentialOptions, resolvePotential } from "./potential-options.js";
import { checkPreset, withPreset } from "./preset.js";
import { type ProposalOptions, resolveProposal } from "./proposal-options.js";
import type { Guidance, Resolved } from "./settings.js";

/** What a method may be given: the common options, a proposal's, a potential, and its own. */
export type GivenOptions = CommonOptions & ProposalOptions & PotentialOptions;

/** Options of which the constraint, if there is one, may be compiled: then it is part of the policy. */
export type CompiledOptions = Omit<GivenOptions, "constraint"> & {
  constraint?: Constraint | CompiledConstraint;
};

/** Names of the options that every method may be given. */
export const SHARED_NAMES = [...Object.keys(GUIDANCE_OPTIONS), ...Object.keys(COMMON_OPTIONS)];

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
  isDiffusion: boolean;
}

/** The names of the options that a method alone takes, or shares with few. */
export function ownNames({
  own,
  proposal = {},
  potential = {},
}: Pick<MethodFacts, "own" | "proposal" | "potential">): string[] {
  return [...Object.keys(proposal), ...Object.keys(potential), ...Object.keys(own)];
}

/**
 * Refuses misspelt options, and those of other methods, before anything is done with the others.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`
 */
export function checkNames(method: MethodFacts, options: object): void {
  const missing = Object.keys(method.withProposal?.proposal ?? {}).find(
    (name) => (options as Record<string, unknown>)[name] !== undefined,
  );
  if (missing !== undefined) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", `\`${missing}\` needs a \`proposal\``);
  }
  const { potential } = options as PotentialOptions;
  if (method.proposal !== undefined && potential !== undefined) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `\`potential\` stands for the rollouts that the proposal of ${method.name} would draw`,
      { fix: "one of the two" },
    );
  }
  const known = [...SHARED_NAMES, ...ownNames(method)];
  checkKeys(`options of ${method.name}`, given(options), known);
}

/**
 * Refuses what no model could be asked for, before one is loaded.
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
        ...{ guidance, own, isDiffusion },
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

/** What the constraint makes of the policy; null: there is none. */
function resolveConstraintLaw(
  { name, weighs = false }: MethodFacts,
  { constraint, constraintLaw, toolChoice }: CompiledOptions,
  isDiffusion: boolean,
): ConstraintLaw | null {
  const refuse = (message: string, fix: string) =>
    new LlamaEtsError("ERR_INVALID_OPTION", message, { fix });
  optional(
    (option, law) => checkOneOf(option, law, CONSTRAINT_LAWS),
    "constraintLaw",
    constraintLaw,
  );
  const isOfTools = constraint !== undefined && "kind" in constraint && constraint.kind === "tools";
  if (constraint !== undefined && !isOfTools && restrictsCalls(toolChoice)) {
    throw refuse(
      "`constraint` and `toolChoice` exclude each other: both say what the answer must be",
      'one of the two, or `toolChoice: "none"`',
    );
  }
  if (constraint === undefined) {
    if (constraintLaw === undefined || restrictsCalls(toolChoice)) return null;
    throw refuse("`constraintLaw` needs a `constraint`", "`constraint`, such as { words: 12 }");
  }
  if (isDiffusion) {
    throw refuse(
      "`constraint` needs an autoregressive model: a diffusion model doesn't write from left to right",
      "an autoregressive model, or a reward such as json-schema",
    );
  }
  if (constraintLaw === "conditioned" && !weighs) {
    throw refuse(
      `\`constraintLaw: "conditioned"\` needs weights, which ${name} has none of`,
      'constraintLaw: "masked", or ets, ets-is, particle, mh or power',
    );
  }
  return constraintLaw ?? (weighs ? "conditioned" : "masked");
}

function resolveClose({ close = false, constraint }: CompiledOptions): boolean {
  if (!checkBoolean("close", close)) return false;
  if (constraint !== undefined && !("kind" in constraint && constraint.kind === "tools"))
    return true;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    "`close` needs a `constraint`, which says how a text may end; calls of tools aren't closed",
    { fix: "`constraint`, such as { json: schema }" },
  );
}

/** The part of the options that shapes the prompt. */
export function promptOptions(options: PromptOptions): PromptOptions {
  const { raw, system, reasoning, tools, toolChoice, chatTemplate, date } = options;
  const given = {
    ...(raw !== undefined && { raw: checkBoolean("raw", raw) }),
    ...(system !== undefined && { system: checkString("system", system) }),
    ...(reasoning !== undefined && { reasoning: checkReasoning(reasoning) }),
    ...(tools !== undefined && { tools: checkTools(tools) }),
    ...(toolChoice !== undefined && { toolChoice: checkToolChoice(toolChoice, tools) }),
    ...(chatTemplate !== undefined && {
      chatTemplate: checkTemplate("chatTemplate", chatTemplate),
    }),
    ...(date !== undefined && { date: checkDate("date", date) }),
  };
  checkRaw(given);
  return given;
}

/** A diffusion model writes its thoughts and its answer at once: there is nothing to end. */
function refuseBudget({ reasoning = "off" }: PromptOptions): void {
  const { effort, budget } = resolveReasoning(reasoning);
  if (effort !== "low" && (budget === null || effort === "off")) return;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    "A budget of `reasoning` (--reasoning) is for autoregressive models: a diffusion model writes thoughts and answer at once",
    { fix: "`auto`, `high` or `off`" },
  );
}

function checkReasoning(reasoning: ReasoningOption): ReasoningOption {
  resolveReasoning(reasoning);
  return reasoning;
}

function checkTools(tools: readonly Tool[]): readonly Tool[] {
  readTools(tools);
  return tools;
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

function resolveGuidance(
  method: MethodFacts,
  options: CompiledOptions,
  maxTokens: number,
  denoising: DenoisingSettings | null,
): Guidance {
  const adaptive = resolveAdaptive(options.adaptive);
  if (adaptive?.rule === "ess" && method.drawsIndependent) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `The rule "ess" of \`adaptive\` is for ets: the texts of ${method.name} have no weights`,
      { fix: 'the rule "sequential"' },
    );
  }
  const most = adaptive === null ? DEFAULT_CANDIDATES : DEFAULT_ADAPTIVE_CANDIDATES;
  const { candidates = most, rollouts = 1, finish = "chain" } = options;
  // Once a vote is settled, one step is all there is.
  const settles = adaptive !== null && adaptive.rule !== "ess";
  const defaultBlock = settles ? maxTokens : DEFAULT_BLOCK_TOKENS;
  const { shortcuts = {} } = options;
  checkKeys("shortcuts", shortcuts, ["prefixes", "duplicates", "decided", "answered"]);
  const { prefixes = true, duplicates = !settles } = shortcuts;
  // A text that p_ref alone completes lacks the weights that a constraint gives it.
  const { decided = options.constraint === undefined, answered = true } = shortcuts;
  return {
    candidates: checkInteger("candidates", candidates, 1, MAX_DRAWS),
    rollouts: checkInteger("rollouts", rollouts, 1, MAX_DRAWS),
    finish: checkOneOf("finish", finish, FINISHES),
    adaptive,
    shortcuts: {
      prefixes: checkBoolean("shortcuts.prefixes", prefixes),
      duplicates: checkBoolean("shortcuts.duplicates", duplicates),
      decided: checkBoolean("shortcuts.decided", decided),
      answered: checkBoolean("shortcuts.answered", answered),
    },
    ...(options.potential !== undefined && { rollouts: 0 }),
    ...method.fixed?.(maxTokens),
    ...resolveBlocks(method, options, { maxTokens, defaultBlock, denoising }),
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
  const ofMethod = isDiffusion ? [] : [...(method.metrics?.(own) ?? []), ...ofBlocks];
  // What follows an answer counts where a constraint is to be met.
  const isWhole = isDiffusion || options.constraint !== undefined;
  const endsThere = answerEnd !== undefined && shortcuts.answered && !isWhole;
  return {
    ...{ reward, potential, extract, hasExtract: options.extract !== undefined },
    metrics: [...new Set([...(reward.metrics ?? []), ...(potential?.metrics ?? []), ...ofMethod])],
    answerEnd: endsThere ? checkAnswerEnd("answerEnd", answerEnd) : null,
  };
}

/** How answers are found where the caller doesn't say it: what is data is compared as such. */
function votedAnswer({
  constraint,
  voteFields,
  voteExcept,
}: Pick<CompiledOptions, "constraint" | "voteFields" | "voteExcept">): AnswerExtractor {
  const parts = votedParts(voteFields, voteExcept);
  const calls = constraint !== undefined && "calls" in constraint ? constraint.calls : undefined;
  if (calls !== undefined) return callVotes(calls, parts);
  const isAsked = voteFields !== undefined || voteExcept !== undefined;
  const isJson = constraint !== undefined && isJsonConstraint(constraint);
  return isJson || isAsked ? jsonVotes(parts) : extractAnswer;
}

function isJsonConstraint(constraint: Constraint | CompiledConstraint): boolean {
  return "kind" in constraint ? constraint.kind === "json" : "json" in constraint;
}

/** Refuses blocks of several lengths where texts aren't whole and drawn by themselves. */
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
