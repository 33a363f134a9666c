/** Configures the methods of an evaluation, with the settings that the keys of their samples depend on. */
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

/**
 * The options of a method that a user may set in an evaluation. The evaluation itself sets seeds, answer
 * extraction and callbacks.
 */
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
  /** The name of a potential, as for `ask --potential`. Only for methods that take a potential. */
  potential?: string;
};

/** The options of a single method. */
export type EvaluatedMethodOptions = EvaluatedOptions & {
  /** The name of a reward that replaces the evaluation's. Only for methods that take a reward. */
  reward?: string;
};

/** A method with its own options and its own name. */
export interface EvaluatedMethod {
  /** A unique name within the run. */
  name: string;
  /**
   * The method. For `auto` the evaluation chooses one method for all items, by the task, the reward and the
   * options.
   */
  method: MethodName | "auto";
  /** Options of this method only. They override the common `options`. */
  options?: EvaluatedMethodOptions;
}

/**
 * Settings that `run.json` has for every method since its first format. The keys of samples depend on them.
 */
const OF_EVERY_METHOD = { lengthPenalty: null, alpha: null, moves: null };

const RESERVED = ["extract", "metrics", "proposal", "seed", "signal"];

export interface ConfiguredMethod extends MethodRecord {
  method: MethodName;
  /** The method is called with these options and those of the item. */
  options: EvaluatedMethodOptions;
  needsProposal: boolean;
}

interface CheckedMethods {
  methods: readonly EvaluatedMethod[];
  options: EvaluatedOptions;
  /** The name of the evaluation's reward. */
  reward: string;
  proposal: Model | undefined;
}

interface Setting {
  model: Model;
  task: Task;
  form: PromptForm;
  /** An example item. Its prompt represents the prompts of all items. */
  item: TaskItem;
  /** The evaluation's reward, as the settings describe it. */
  reward: DescribedReward;
  /** The descriptions of the rewards and potentials that methods name, by their names. */
  named: ReadonlyMap<string, DescribedReward>;
  /** The date of the run (YYYY-MM-DD), for templates that print a date. */
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
    // The record has the constraint as the user gave it, because a constraint is compiled only when a run
    // begins.
    const { constraint } = merged;
    const restricted = constraint === undefined ? {} : { constraint };
    const { proposal: _, ...record } = {
      ...OF_EVERY_METHOD,
      ...resolved,
      ...restricted,
      ...hashes,
      // With this, the keys differ from those of the same method chosen by name.
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

/** Returns whether the chat template of a method's prompts prints the date. */
function printsDateOf({ info, metadata }: Model, { chatTemplate }: EvaluatedOptions): boolean {
  const own = [info.chatTemplate, metadata["tokenizer.chat_template.tool_use"]];
  return [...(chatTemplate === undefined ? own : [chatTemplate])].some(
    (template) => typeof template === "string" && printsDate(template),
  );
}

/**
 * Gives each method a name and checks everything that doesn't depend on the model, so that errors are found
 * before a model is loaded. Throws `ERR_INVALID_OPTION`.
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

/**
 * Checks a method's options without a model. The unmasking options are checked later, because they depend on
 * the model and on the text length of the task.
 */
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

/** Merges the options of a method: the common ones that it takes, and its own. */
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
 * Converts evaluated options to those of the method. `open` returns the potential of a name. The caller adds
 * the reward.
 */
export function toMethodOptions(
  { potential, reward: _, ...options }: EvaluatedMethodOptions,
  open: (name: string) => Reward,
): MethodOptions {
  return { ...options, ...(potential !== undefined && { potential: open(potential) }) };
}

/** Lists the distinct potentials and rewards that the methods of an evaluation name. */
export function namedIn(methods: readonly Pick<ConfiguredMethod, "options">[]): string[] {
  const names = methods.flatMap(({ options: { potential, reward } }) => [potential, reward]);
  return [...new Set(names)].filter((name) => name !== undefined);
}

/** As `namedIn`, for methods that are not configured yet. */
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

/**
 * Returns the options that an item's prompt adds to a method's: the task's prompt may set a length and stop
 * strings.
 */
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
