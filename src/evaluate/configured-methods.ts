/** The methods of an evaluation, with the settings that their samples' keys rest on. */
import { checkKeys, checkOneOf, checkString } from "../engine/check.js";
import { LlamaEtsError } from "../engine/errors.js";
import type { Model } from "../engine/local/model.js";
import {
  METHOD_NAMES,
  type MethodName,
  takesOption,
  withDefaults,
} from "../methods/method-names.js";
import type { MethodOptions } from "../methods/options.js";
import { optionsFor } from "../methods/registry.js";
import { resolveOptions } from "../methods/resolve-options.js";
import type { PromptForm, Task, TaskItem } from "../tasks/task.js";
import type { EvaluatedMethod, EvaluatedOptions, EvaluateOptions } from "./evaluate.js";
import type { MethodRecord } from "./run-files.js";

const RESERVED = ["extract", "proposal", "reward", "seed", "signal"];

export interface ConfiguredMethod extends MethodRecord {
  method: MethodName;
  /** What the method is called with, besides what its item brings. */
  options: EvaluatedOptions;
  needsProposal: boolean;
}

/** Checks the methods and fills in what they were not told. Throws `ERR_INVALID_OPTION`. */
export function configureMethods(
  { methods, options = {}, proposal }: EvaluateOptions,
  setting: { model: Model; task: Task; form: PromptForm; item: TaskItem; reward: object },
): ConfiguredMethod[] {
  if (!Array.isArray(methods) || methods.length === 0) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "Expected `methods` to name at least one method");
  }
  const names = new Set<string>();
  return methods.map((entry: MethodName | EvaluatedMethod) => {
    const {
      name,
      method,
      options: own = {},
    } = typeof entry === "string" ? { name: entry, method: entry } : entry;
    if (typeof entry !== "string") checkKeys("methods[i]", entry, ["name", "method", "options"]);
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
    refuseReserved({ ...options, ...own });
    const merged: EvaluatedOptions = withDefaults(optionsFor(method, options), own);
    const needsProposal = takesOption(method, "proposal");
    if (needsProposal && proposal === undefined) {
      throw new LlamaEtsError("ERR_INVALID_OPTION", `${method} needs a \`proposal\``, {
        fix: "a smaller model of the same family",
      });
    }
    const { task, form, item, model, reward } = setting;
    const given: MethodOptions = {
      ...promptSettings(task, form, item, merged),
      ...(needsProposal && proposal && { proposal }),
    };
    const { proposal: _, ...resolved } = resolveOptions(method, given, model, 0).settings;
    const record = { ...resolved, ...reward };
    return {
      ...{ name, method, options: merged, needsProposal },
      settings: JSON.parse(JSON.stringify(record)),
    };
  });
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
  options: EvaluatedOptions,
): EvaluatedOptions {
  const { raw, stop, maxTokens } = task.prompt(item, form);
  return {
    ...(maxTokens !== undefined && { maxTokens }),
    ...options,
    raw: options.raw ?? raw,
    stop: [...new Set([...stop, ...(options.stop ?? [])])],
  };
}
