/** The methods of an evaluation, with the settings that their samples' keys rest on. */
import { printsDate } from "../engine/chat/render.js";
import { checkKeys, checkObject, checkOneOf, checkString, optional } from "../engine/check.js";
import type { Model } from "../engine/engine.js";
import { LlamaEtsError } from "../engine/errors.js";
import { given } from "../engine/given.js";
import { reasonOf } from "../methods/auto.js";
import { checkAnyNames, checkTaken, checkUsed } from "../methods/by-name.js";
import { withDefaults } from "../methods/options/common-specs.js";
import { checkOptions, resolveOptions } from "../methods/options/resolve.js";
import { settingsOf } from "../methods/options/settings.js";
import {
  METHOD_NAMES,
  METHODS,
  type MethodName,
  type MethodOptions,
  optionsFor,
} from "../methods/registry.js";
import { DEFAULT_REWARD, namedPotential, parseReward } from "../rewards/named.js";
import type { Reward } from "../rewards/reward.js";
import { canVote, type PromptForm, promptOf, type Task, type TaskItem } from "../tasks/task.js";
import { chooseForTask, sharedWithAuto } from "./auto-method.js";
import type { DescribedReward } from "./store/describe-run.js";
import { refuseTwins } from "./store/merge-runs.js";
import type { MethodRecord } from "./store/run-files.js";

/** The options of a method that an evaluation may set; seeds, answers and callbacks are its own. */
export type EvaluatedOptions = Omit<
  MethodOptions,
  | "extract"
  | "metrics"
  | "onPlan"
  | "onProgress"
  | "onStep"
  | "onWarning"
  | "potential"
  | "proposal"
  | "reward"
  | "seed"
  | "signal"
> & {
  /** A potential by name, as `ask --potential` takes it; for methods that may ask one. */
  potential?: string;
};

/** The options of a single method. */
export type EvaluatedMethodOptions = EvaluatedOptions & {
  /** A reward by name in the place of the evaluation's; for methods that ask one. */
  reward?: string;
};

/** A method with options of its own, under a name of its own. */
export interface EvaluatedMethod {
  /** The name is unique within the run. */
  name: string;
  /** `auto` is chosen once for all items, by the task, the reward and the options. */
  method: MethodName | "auto";
  /** Options of this method alone; they override the common `options`. */
  options?: EvaluatedMethodOptions;
}

/** Settings that `run.json` has for every method since its first format: keys rest on them. */
const OF_EVERY_METHOD = { lengthPenalty: null, alpha: null, moves: null };

const RESERVED = ["extract", "metrics", "proposal", "seed", "signal"];

export interface ConfiguredMethod extends MethodRecord {
  method: MethodName;
  /** The method is called with these, and with what its item brings. */
  options: EvaluatedMethodOptions;
  needsProposal: boolean;
}

interface CheckedMethods {
  methods: readonly EvaluatedMethod[];
  options: EvaluatedOptions;
  /** The evaluation's reward, by name. */
  reward: string;
  proposal: Model | undefined;
}

interface Setting {
  model: Model;
  task: Task;
  form: PromptForm;
  /** Its prompt stands for those of all items. */
  item: TaskItem;
  /** The settings' part of the evaluation's reward. */
  reward: DescribedReward;
  /** The same of the rewards and potentials that methods name, by their names. */
  named: ReadonlyMap<string, DescribedReward>;
  /** The run's day, YYYY-MM-DD, for templates that print one. */
  date: string;
}

/** Fills in the options that the methods were not given. Throws `ERR_INVALID_OPTION`. */
export function configureMethods(
  { methods, options, proposal, reward: rewardName }: CheckedMethods,
  { task, form, item, model, reward, named, date }: Setting,
): ConfiguredMethod[] {
  const choose = (wished: EvaluatedMethodOptions) =>
    chooseForTask(wished, {
      reward: rewardName,
      canVote: canVote(task, item),
      maxTokens: promptOf(task, item, form).maxTokens,
      isDiffusion: model.info.isDiffusion,
    });
  const configured = methods.map(({ name, method: asked, options: own = {} }) => {
    const wished = mergedOptions(asked, options, own);
    const auto = asked === "auto" ? choose(wished) : null;
    const method = auto?.choice.method ?? (asked as MethodName);
    const undated = auto?.options ?? wished;
    const isRaw = undated.raw ?? promptOf(task, item, form).raw;
    const merged = !isRaw && printsDateOf(model, undated) ? { date, ...undated } : undated;
    const needsProposal = METHODS[method].proposal !== undefined;
    if (needsProposal && proposal === undefined) {
      throw new LlamaEtsError("ERR_INVALID_OPTION", `${method} needs a \`proposal\``, {
        fix: "a smaller model of the same family",
      });
    }
    const given: MethodOptions = {
      ...promptSettings(task, form, item, toMethodOptions(merged, namedPotential)),
      ...(needsProposal && proposal && { proposal }),
    };
    const resolved = settingsOf(resolveOptions(METHODS[method], given, model, 0));
    const potentialFiles = named.get(merged.potential ?? "")?.rewardFiles;
    const hashes = {
      ...(merged.reward === undefined ? reward : named.get(merged.reward)),
      ...(potentialFiles && { potentialFiles }),
    };
    // As it was given: it is compiled once a run has begun.
    const { constraint } = merged;
    const restricted = constraint === undefined ? {} : { constraint };
    const { proposal: _, ...record } = {
      ...OF_EVERY_METHOD,
      ...resolved,
      ...restricted,
      ...hashes,
      // Keys tell it from the same method by name.
      ...(auto && { auto: true }),
    };
    return {
      name,
      method,
      options: merged,
      needsProposal,
      settings: JSON.parse(JSON.stringify(record)),
      ...(auto && { auto: reasonOf(auto.choice) }),
    };
  });
  refuseTwins(configured);
  return configured;
}

/** Whether the template of a method's prompts asks what day it is. */
function printsDateOf({ info, metadata }: Model, { chatTemplate }: EvaluatedOptions): boolean {
  const own = [info.chatTemplate, metadata["tokenizer.chat_template.tool_use"]];
  return [...(chatTemplate === undefined ? own : [chatTemplate])].some(
    (template) => typeof template === "string" && printsDate(template),
  );
}

/**
 * The methods, each under a name of its own. What no model could be asked for is refused, so that a
 * caller can find it before one is loaded. Throws `ERR_INVALID_OPTION`.
 */
export function checkMethods(
  methods: readonly (MethodName | EvaluatedMethod)[],
  options: EvaluatedOptions = {},
): EvaluatedMethod[] {
  if (!Array.isArray(methods) || methods.length === 0 || methods.includes(undefined as never)) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "Expected `methods` to name at least one method");
  }
  checkAnyNames(checkObject("options", options));
  refuseReserved(options, [...RESERVED, "reward"]);
  const names = new Set<string>();
  return methods.map((entry: MethodName | EvaluatedMethod) => {
    const named = typeof entry === "string" ? { name: entry, method: entry } : entry;
    checkKeys("methods[i]", named, ["name", "method", "options"]);
    const { name, method, options: own } = named;
    checkOneOf("method", method, [...METHOD_NAMES, "auto"]);
    checkString("name", name);
    if (name === "" || names.has(name)) {
      throw new LlamaEtsError(
        "ERR_INVALID_OPTION",
        `Expected each method to have a name of its own, got \`${name}\` twice`,
        { fix: "{ name, method, options }" },
      );
    }
    names.add(name);
    const given = optional(checkObject, "methods[i].options", own) ?? {};
    if (method === "auto") checkAnyNames(given);
    else {
      checkTaken(method, given);
      checkUsed(method, given);
    }
    refuseReserved(own ?? {});
    if (own?.reward !== undefined) checkOwnReward(method, own.reward);
    checkWithoutModel(method, mergedOptions(method, options, own));
    return named;
  });
}

/** How texts are unmasked is checked later: it depends on the model, and on the task's length. */
function checkWithoutModel(method: MethodName | "auto", options: EvaluatedMethodOptions): void {
  if (method === "auto") {
    const setting = { canVote: true, maxTokens: undefined, isDiffusion: false };
    chooseForTask(options, { ...setting, reward: DEFAULT_REWARD });
    return;
  }
  const given = toMethodOptions(options, namedPotential);
  const { diffusion: _, proposalDiffusion: __, ratio: ___, ...rest } = given;
  checkOptions(METHODS[method], rest);
}

/** The options of a method: those common to all that it takes, and its own. */
function mergedOptions(
  method: MethodName | "auto",
  options: EvaluatedOptions,
  own: EvaluatedMethodOptions = {},
): EvaluatedMethodOptions {
  const isAuto = method === "auto";
  const { potential: shared, ...common } = options;
  const { potential = (isAuto || METHODS[method].potential) && shared, reward, ...rest } = own;
  const taken = isAuto ? sharedWithAuto(common) : optionsFor(method, common);
  const merged = withDefaults(taken, rest);
  return { ...merged, ...given({ potential, reward }) };
}

/**
 * What a method is called with: the potential that its name stands for is taken from `open`. Its reward
 * is the caller's to add.
 */
export function toMethodOptions(
  { potential, reward: _, ...options }: EvaluatedMethodOptions,
  open: (name: string) => Reward,
): MethodOptions {
  return { ...options, ...(potential !== undefined && { potential: open(potential) }) };
}

/** The potentials and rewards that methods of an evaluation name, each once. */
export function namedIn(methods: readonly Pick<ConfiguredMethod, "options">[]): string[] {
  const names = methods.flatMap(({ options: { potential, reward } }) => [potential, reward]);
  return [...new Set(names)].filter((name) => name !== undefined);
}

/** As `namedIn`, before the methods are configured. */
export function namedBefore({
  methods,
  options,
}: Pick<CheckedMethods, "methods" | "options">): string[] {
  return namedIn(
    methods.map(({ method, options: own }) => ({ options: mergedOptions(method, options, own) })),
  );
}

/** Throws `ERR_INVALID_OPTION`. */
export function refuseReserved(options: object, names: readonly string[] = RESERVED): void {
  const reserved = Object.keys(options).find((key) => names.includes(key) || key.startsWith("on"));
  if (reserved === undefined) return;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    `An evaluation sets \`${reserved}\` itself; it can't be a method's option`,
  );
}

/** Throws `ERR_INVALID_OPTION`. */
function checkOwnReward(method: MethodName | "auto", reward: string): void {
  const takers: (MethodName | "auto")[] = [
    ...METHOD_NAMES.filter((name) => METHODS[name].guidance.includes("reward")),
    "auto",
  ];
  if (takers.includes(method)) parseReward(reward, "reward");
  else {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `\`reward\` is for ${takers.join(", ")}, not ${method}`,
    );
  }
}

/** A method's options for an item: the task's prompt may bring a length and stop strings. */
export function promptSettings(
  task: Task,
  form: PromptForm,
  item: TaskItem,
  options: MethodOptions,
): MethodOptions {
  const { raw, stop, maxTokens } = promptOf(task, item, form);
  return {
    ...(maxTokens !== undefined && { maxTokens }),
    ...options,
    raw: options.raw ?? raw,
    stop: [...new Set([...stop, ...(options.stop ?? [])])],
  };
}
