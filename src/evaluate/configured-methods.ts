/** The methods of an evaluation, with the settings that their samples' keys rest on. */
import { printsDate } from "../engine/chat/render.js";
import { checkKeys, checkObject, checkOneOf, checkString, optional } from "../engine/check.js";
import type { Model } from "../engine/engine.js";
import { LlamaEtsError } from "../engine/errors.js";
import { checkAnyNames, checkTaken } from "../methods/by-name.js";
import { withDefaults } from "../methods/options.js";
import {
  METHOD_NAMES,
  METHODS,
  type MethodName,
  type MethodOptions,
  optionsFor,
} from "../methods/registry.js";
import { checkOptions, resolveOptions } from "../methods/resolve-options.js";
import { settingsOf } from "../methods/settings.js";
import { namedPotential } from "../rewards/named.js";
import type { Reward } from "../rewards/reward.js";
import type { PromptForm, Task, TaskItem } from "../tasks/task.js";
import type { MethodRecord } from "./store/run-files.js";

/** The options of a method that an evaluation may set; seeds, answers and callbacks are its own. */
export type EvaluatedOptions = Omit<
  MethodOptions,
  | "extract"
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

/** A method with options of its own, under a name of its own. */
export interface EvaluatedMethod {
  /** The name is unique within the run. */
  name: string;
  method: MethodName;
  /** Options of this method alone; they override the common `options`. */
  options?: EvaluatedOptions;
}

/** Settings that `run.json` has for every method since its first format: keys rest on them. */
const OF_EVERY_METHOD = { lengthPenalty: null, alpha: null, moves: null };

const RESERVED = ["extract", "proposal", "reward", "seed", "signal"];

export interface ConfiguredMethod extends MethodRecord {
  method: MethodName;
  /** The method is called with these, and with what its item brings. */
  options: EvaluatedOptions;
  needsProposal: boolean;
}

interface CheckedMethods {
  methods: readonly EvaluatedMethod[];
  options: EvaluatedOptions;
  proposal: Model | undefined;
}

interface Setting {
  model: Model;
  task: Task;
  form: PromptForm;
  /** Its prompt stands for those of all items. */
  item: TaskItem;
  /** The reward's part of the settings. */
  reward: object;
  /** The hashes of the files that potentials are read from, by what names them. */
  potentialFiles: ReadonlyMap<string, readonly string[]>;
  /** The run's day, YYYY-MM-DD, for templates that print one. */
  date: string;
}

/** Fills in the options that the methods were not given. Throws `ERR_INVALID_OPTION`. */
export function configureMethods(
  { methods, options, proposal }: CheckedMethods,
  { task, form, item, model, reward, potentialFiles, date }: Setting,
): ConfiguredMethod[] {
  return methods.map(({ name, method, options: own = {} }) => {
    const undated = mergedOptions(method, options, own);
    const isRaw = undated.raw ?? task.prompt(item, form).raw;
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
    const files =
      merged.potential === undefined ? [] : (potentialFiles.get(merged.potential) ?? []);
    const resolved = settingsOf(resolveOptions(METHODS[method], given, model, 0));
    const hashes = files.length > 0 ? { potentialFiles: files } : {};
    // As it was given: it is compiled once a run has begun.
    const { constraint } = merged;
    const restricted = constraint === undefined ? {} : { constraint };
    const { proposal: _, ...record } = {
      ...{ ...OF_EVERY_METHOD, ...resolved, ...restricted, ...reward, ...hashes },
    };
    return {
      ...{ name, method, options: merged, needsProposal },
      settings: JSON.parse(JSON.stringify(record)),
    };
  });
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
  if (!Array.isArray(methods) || methods.length === 0) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "Expected `methods` to name at least one method");
  }
  checkAnyNames(checkObject("options", options));
  refuseReserved(options);
  const names = new Set<string>();
  return methods.map((entry: MethodName | EvaluatedMethod) => {
    const named = typeof entry === "string" ? { name: entry, method: entry } : entry;
    checkKeys("methods[i]", named, ["name", "method", "options"]);
    const { name, method, options: own } = named;
    checkOneOf("method", method, METHOD_NAMES);
    checkString("name", name);
    if (name === "" || names.has(name)) {
      throw new LlamaEtsError(
        "ERR_INVALID_OPTION",
        `Expected each method to have a name of its own, got \`${name}\` twice`,
        { fix: "{ name, method, options }" },
      );
    }
    names.add(name);
    checkTaken(method, optional(checkObject, "methods[i].options", own) ?? {});
    refuseReserved(own ?? {});
    checkWithoutModel(method, mergedOptions(method, options, own));
    return named;
  });
}

/** How texts are unmasked is checked later: it depends on the model, and on the task's length. */
function checkWithoutModel(method: MethodName, options: EvaluatedOptions): void {
  const given = toMethodOptions(options, namedPotential);
  const { diffusion: _, proposalDiffusion: __, ratio: ___, ...rest } = given;
  checkOptions(METHODS[method], rest);
}

/** The options of a method: those common to all that it takes, and its own. */
function mergedOptions(
  method: MethodName,
  options: EvaluatedOptions,
  own: EvaluatedOptions = {},
): EvaluatedOptions {
  const { potential: shared, ...common } = options;
  const { potential = METHODS[method].potential && shared, ...rest } = own;
  const merged = withDefaults(optionsFor(method, common), rest);
  return { ...merged, ...(potential !== undefined && { potential }) };
}

/** What a method is called with: the potential that its name stands for is taken from `open`. */
export function toMethodOptions(
  { potential, ...options }: EvaluatedOptions,
  open: (name: string) => Reward,
): MethodOptions {
  return { ...options, ...(potential !== undefined && { potential: open(potential) }) };
}

/** The potentials that methods of an evaluation name, each once. */
export function potentialsOf(methods: readonly Pick<ConfiguredMethod, "options">[]): string[] {
  return [...new Set(methods.flatMap(({ options }) => options.potential ?? []))];
}

/** As `potentialsOf`, before the methods are configured. */
export function namedPotentials({ methods, options }: Omit<CheckedMethods, "proposal">): string[] {
  return potentialsOf(
    methods.map(({ method, options: own }) => ({ options: mergedOptions(method, options, own) })),
  );
}

/** Throws `ERR_INVALID_OPTION`. */
export function refuseReserved(options: object): void {
  const reserved = Object.keys(options).find(
    (key) => RESERVED.includes(key) || key.startsWith("on"),
  );
  if (reserved === undefined) return;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    `An evaluation sets \`${reserved}\` itself; it can't be a method's option`,
  );
}

/** A method's options for an item: the task's prompt may bring a length and stop strings. */
export function promptSettings(
  task: Task,
  form: PromptForm,
  item: TaskItem,
  options: MethodOptions,
): MethodOptions {
  const { raw, stop, maxTokens } = task.prompt(item, form);
  return {
    ...(maxTokens !== undefined && { maxTokens }),
    ...options,
    raw: options.raw ?? raw,
    stop: [...new Set([...stop, ...(options.stop ?? [])])],
  };
}
