/** The flags and specs of methods, generated from the methods' option specs. */
import { type Command, Help, Option } from "commander";
import { bundledDefaults } from "../engine/bundled-models.js";
import { checkOneOf } from "../engine/check.js";
import { LlamaEtsError } from "../engine/errors.js";
import type { EvaluatedMethod, EvaluatedOptions } from "../evaluate/configured-methods.js";
import { findMethod } from "../methods/by-name.js";
import type { PresetOptions } from "../methods/options/common.js";
import { COMMON_OPTIONS, GUIDANCE_OPTIONS } from "../methods/options/common-specs.js";
import type { Flag, OptionSpec } from "../methods/options/option.js";
import { type AnyMethod, METHOD_NAMES, METHODS, type MethodName } from "../methods/registry.js";
import { DEFAULT_REWARD, REWARD_NAMES } from "../rewards/named.js";
import { parseConstraintFlag } from "./constraint-flag.js";
import type { ModelFlags } from "./model-flags.js";
import { numberOption, numbersOption } from "./numbers.js";
import { chatTemplateOption } from "./prompt-files.js";

/** The given flags, by commander's names. */
export interface MethodFlags extends ModelFlags {
  /** Undefined for the default reward, or for the reward of a potential. */
  reward?: string;
  preset?: string;
  /** A file. The other flags of methods are read by their own specs. */
  proposal?: string;
}

const PROPOSAL_FLAG = "--proposal <model>";
const REWARD_FLAG = "--reward <reward>";

/** The flags of options that only some methods have. */
const OWN_FLAGS = ownFlags(METHOD_NAMES.map((name) => METHODS[name]));
const OWN_NAMES = new Set([PROPOSAL_FLAG, ...OWN_FLAGS.map(({ flags }) => flags)]);

/** Returns the names of the methods whose help is shown; empty for the help common to all. */
type Asked = (command: Command) => string[];

/**
 * Adds the flags of all methods. The command's help shows the flags common to all methods, or those of the
 * named methods.
 */
export function addMethodOptions(
  command: Command,
  asked: Asked,
  { takesLists = false } = {},
): Command {
  for (const flag of guidanceFlags(Object.keys(GUIDANCE_OPTIONS))) {
    if (takesLists && flag.kind === "number") {
      command.option(flag.flags, `${flag.help}; 2,4,8 tries each`, numbersOption);
    } else addFlag(command, flag);
  }
  command.option(
    REWARD_FLAG,
    `${REWARD_NAMES.join(", ")}, or a sum: self-consistency+0.5*confidence (default: ${DEFAULT_REWARD})`,
  );
  for (const flag of flagsOf(COMMON_OPTIONS)) addFlag(command, flag);
  command.option(PROPOSAL_FLAG, "ets-is: the smaller model that draws the rollouts");
  for (const flag of OWN_FLAGS) addFlag(command, flag);

  const methodFlags = new Set([
    ...guidanceFlags(Object.keys(GUIDANCE_OPTIONS)).map(({ flags }) => flags),
    ...OWN_NAMES,
    REWARD_FLAG,
  ]);
  command.createHelp = () =>
    Object.assign(new Help(), command.configureHelp(), {
      visibleOptions(of: Command) {
        const shown = shownFlags(asked(of));
        const all = Help.prototype.visibleOptions.call(this, of);
        return all.filter(({ flags }) => !methodFlags.has(flags) || shown.has(flags));
      },
    });
  return command;
}

/** Returns whether only some methods take a flag. The options of guided runs don't count. */
export function isMethodsOwn(flags: string): boolean {
  return OWN_NAMES.has(flags);
}

/** Returns the flags to show among those that only some methods take. */
function shownFlags(names: readonly string[]): Set<string> {
  const methods = names.flatMap((name) => findMethod(name) ?? []);
  if (methods.length === 0) {
    const all = guidanceFlags(Object.keys(GUIDANCE_OPTIONS));
    return new Set([...all.map(({ flags }) => flags), REWARD_FLAG]);
  }
  const shown = methods.flatMap((method) => [
    ...guidanceFlags(method.guidance).map(({ flags }) => flags),
    ...(method.guidance.includes("reward") ? [REWARD_FLAG] : []),
    ...(method.proposal === undefined ? [] : [PROPOSAL_FLAG]),
  ]);
  return new Set([...shown, ...ownFlags(methods).map(({ flags }) => flags)]);
}

function guidanceFlags(names: readonly string[]): Flag[] {
  const taken = Object.entries(GUIDANCE_OPTIONS).filter(([name]) => names.includes(name));
  return flagsOf(Object.fromEntries(taken));
}

/** Returns the distinct flags of the options that methods have besides the common ones. */
function ownFlags(methods: readonly AnyMethod[]): Flag[] {
  const flags = methods.flatMap(({ own, proposal = {}, potential = {} }) => [
    ...flagsOf(proposal),
    ...flagsOf(potential),
    ...flagsOf(own),
  ]);
  return [...new Map(flags.map((flag) => [flag.flags, flag])).values()];
}

function flagsOf(options: Readonly<Record<string, OptionSpec>>): Flag[] {
  return Object.values(options).flatMap(({ flags }) => flags);
}

function addFlag(command: Command, { flags, help, kind }: Flag): void {
  if (kind === "number") command.option(flags, help, numberOption);
  else if (kind === "texts") command.option(flags, help, collectTexts);
  else if (kind === "template") command.option(flags, help, chatTemplateOption);
  else if (kind === "constraint") command.option(flags, help, parseConstraintFlag);
  else command.option(flags, help);
}

/** Collects repeated flags. A variadic option would take the question too. */
export function collectTexts(text: string, before: string[] = []): string[] {
  return [...before, text];
}

/** Converts flags to the options of methods. Rewards and potentials are opened later. */
export function toMethodOptions(flags: MethodFlags, task: string | undefined): EvaluatedOptions {
  const preset = toPreset(flags, task);
  const defaults = preset === undefined ? bundledDefaults(flags.model) : {};
  const options: Record<string, unknown> = { budget: {}, prefixCache: false };
  if (defaults.diffusion) options.diffusion = { ...defaults.diffusion };
  if (defaults.maxTokens !== undefined) options.maxTokens = defaults.maxTokens;
  const given = flags as unknown as Record<string, unknown>;
  for (const { flags: names, path } of allFlags()) {
    const value = given[new Option(names).attributeName()];
    if (value !== undefined && path !== "preset") setAt(options, path.split("."), value);
  }
  const isCut = "steps" in options || "blockTokens" in options || "adaptive" in options;
  if (defaults.blockTokens !== undefined && !isCut) options.blockTokens = defaults.blockTokens;
  return { ...options, ...(preset && { preset }) };
}

function allFlags(): Flag[] {
  return [...flagsOf(GUIDANCE_OPTIONS), ...flagsOf(COMMON_OPTIONS), ...OWN_FLAGS];
}

/** Sets an option, or a field of it. */
function setAt(options: Record<string, unknown>, [name = "", ...rest]: string[], value: unknown) {
  if (rest.length === 0) {
    options[name] = value;
    return;
  }
  const inner = { ...(options[name] as object | undefined) };
  setAt(inner, rest, value);
  options[name] = inner;
}

function toPreset({ preset }: MethodFlags, task: string | undefined): PresetOptions | undefined {
  if (preset === undefined) return undefined;
  checkOneOf("--preset", preset, ["paper"]);
  if (task !== undefined) return { name: "paper", task };
  throw new LlamaEtsError("ERR_INVALID_OPTION", "--preset needs a --task, whose settings it has");
}

/** Returns whether the preset's reward is used, because the user named none. */
export function hasPresetReward({ preset, reward }: MethodFlags): boolean {
  return preset !== undefined && (reward === undefined || reward === DEFAULT_REWARD);
}

/**
 * Parses methods with their own options, such as `ets,ets:M=4:K=2`. A list as in `ets:M=2,4` gives a method
 * for each value, `ets:M=2` and `ets:M=4`. Names and values are checked later.
 */
export function parseMethods(text: string): EvaluatedMethod[] {
  return methodEntries(text).flatMap((entry) => {
    const [, method = "", rest] = /^([^:]*)(?::(.*))?$/s.exec(entry) ?? [];
    // A value may hold colons: potential=model:GGUF.
    const settings = rest?.split(/:(?=\w+=)/) ?? [];
    const grid = settings.map((setting) => valuesOf(setting));
    return combinations(grid).map((chosen) => {
      const name = [method, ...chosen].join(":");
      const parsed = chosen.map((setting) => parseSetting(name, setting));
      const options = Object.fromEntries(parsed);
      const twice = parsed.find(([option], i) => parsed.findIndex(([own]) => own === option) < i);
      if (twice !== undefined) {
        throw new LlamaEtsError(
          "ERR_INVALID_OPTION",
          `Expected \`${name}\` to set \`${twice[0]}\` once, got it twice`,
        );
      }
      return { name, method: method as MethodName, options };
    });
  });
}

/**
 * Splits the text at commas. A part that doesn't name a method continues the values of the entry before it.
 */
function methodEntries(text: string): string[] {
  const entries: string[] = [];
  for (const part of text.split(",").map((piece) => piece.trim())) {
    const before = entries.at(-1);
    const name = part.replace(/:.*/s, "");
    // A word after a number isn't a value but a misspelt name of a method.
    const isWord = /^[a-z][a-z-]+$/i.test(name) && /=[-+.,\deE]+$/.test(before ?? "");
    const goesOn = before?.includes("=") && !isMethod(name) && !isWord;
    if (goesOn) entries[entries.length - 1] = `${before},${part}`;
    else entries.push(part);
  }
  return entries;
}

function isMethod(name: string): boolean {
  return name === "auto" || findMethod(name) !== undefined;
}

/** Splits `M=2,4` into `M=2` and `M=4`. The commas of a constraint belong to its value. */
function valuesOf(setting: string): string[] {
  const [, key, values = ""] = /^([^=]*)=(.*)$/s.exec(setting) ?? [];
  if (key === undefined || key === "constraint") return [setting];
  return [...new Set(values.split(","))].map((value) => `${key}=${value}`);
}

function combinations(grid: readonly (readonly string[])[]): string[][] {
  return grid.reduce<string[][]>(
    (chosen, values) => chosen.flatMap((before) => values.map((value) => [...before, value])),
    [[]],
  );
}

/** The letters of the flags for which `eval` accepts lists. */
const GRID_FLAGS = { M: "candidates", K: "rollouts", I: "steps", B: "blockTokens" } as const;

/**
 * Expands flags that are lists, as in `-M 2,4,8`. Each method that takes the option and doesn't set it itself
 * gets the list in its entry.
 */
export function gridOf(methods: string, flags: object): { methods: string; flags: object } {
  let entries = methodEntries(methods);
  const single: Record<string, unknown> = { ...flags };
  for (const [letter, option] of [...Object.entries(GRID_FLAGS), ["lambda", "lambda"] as const]) {
    const values = single[option];
    if (!Array.isArray(values)) continue;
    delete single[option];
    entries = entries.map((entry) => {
      const name = entry.replace(/:.*/s, "");
      const guidance = name === "auto" ? ["candidates"] : (findMethod(name)?.guidance ?? []);
      const isSet = new RegExp(`:(?:${letter}|${option})=`).test(entry);
      const takes = guidance.some((taken) => taken === option);
      return takes && !isSet ? `${entry}:${letter}=${values.join(",")}` : entry;
    });
  }
  return { methods: entries.join(","), flags: single };
}

function parseSetting(method: string, setting: string): [string, unknown] {
  const [, key = "", value = ""] = /^([^=]*)=(.*)$/s.exec(setting) ?? [];
  if (key === "" || value === "") {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `Expected \`${method}\` to set options as in ets:M=4:K=2, got \`${setting}\``,
    );
  }
  if (key === "constraint") return [key, parseConstraintFlag(value)];
  return [nameOfLetter(key) ?? key, parseValue(value)];
}

/** Returns the option of a letter in a spec. */
function nameOfLetter(letter: string): string | undefined {
  const own = METHOD_NAMES.flatMap((name) => Object.entries<OptionSpec>(METHODS[name].own));
  const all: [string, OptionSpec][] = [...Object.entries(GUIDANCE_OPTIONS), ...own];
  return all.find(([, spec]) => spec.letter === letter)?.[0];
}

function parseValue(text: string): unknown {
  if (text === "true" || text === "false") return text === "true";
  const number = Number(text);
  return Number.isNaN(number) ? text : number;
}
