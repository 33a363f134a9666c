/**
 * The instructions of IFEval as graders and as a reward. They determine which of an item's instructions a
 * text follows, and which the beginning of a text may still follow.
 */
import { LlamaEtsError } from "../../engine/errors.js";
import type { Completion, Reward, RewardItem } from "../reward.js";
import {
  type Check,
  followsStrictly,
  INSTRUCTION_KINDS,
  looseVariants,
  type ReadArguments,
  toCheck,
} from "./instructions.js";
import { loadDetector } from "./language.js";

/** Throws an error that says what an item's field must be: "`field` to …". */
export type Refuse = (field: string, expected: string) => never;

/** An item's instructions: the name of each one's kind, and its arguments. */
export type Instructions = readonly {
  kind: string;
  arguments: Readonly<Record<string, unknown>>;
}[];

/** For each of the item's instructions, whether the text follows it; strictly, and with loose checks. */
export interface InstructionVerdicts {
  strict: boolean[];
  loose: boolean[];
}

/** Reads the instructions of a row `{instruction_id_list, kwargs}` and checks their kinds and arguments. */
export function readInstructions(row: RewardItem, refuse: Refuse): Instructions {
  const { instruction_id_list: kinds, kwargs } = row;
  if (!Array.isArray(kinds) || kinds.length === 0) {
    return refuse("instruction_id_list", "be an array of the names of instructions");
  }
  const unknown = kinds.find((kind) => !INSTRUCTION_KINDS.includes(kind));
  if (unknown !== undefined) {
    return refuse("instruction_id_list", `name instructions that are known, got ${unknown}`);
  }
  const isObject = (value: unknown): value is RewardItem =>
    typeof value === "object" && value !== null && !Array.isArray(value);
  if (!Array.isArray(kwargs) || kwargs.length !== kinds.length || !kwargs.every(isObject)) {
    return refuse("kwargs", "be an array of one object for each instruction");
  }
  const instructions = kwargs.map((given, i) => ({ kind: String(kinds[i]), arguments: given }));
  toChecks(instructions, refuse, () => null);
  return instructions;
}

function toChecks(
  instructions: Instructions,
  refuse: Refuse,
  detect: (text: string) => string | null,
): Check[] {
  return instructions.map(({ kind, arguments: given }) =>
    toCheck(kind, readArguments(kind, given, refuse), detect),
  );
}

function readArguments(
  kind: string,
  given: Readonly<Record<string, unknown>>,
  refuse: Refuse,
): ReadArguments {
  const wrong = (name: string, expected: string) =>
    refuse("kwargs", `have \`${name}\` ${expected} for ${kind}, got \`${String(given[name])}\``);
  const isText = (value: unknown) => typeof value === "string" && value.trim() !== "";
  return {
    text: (name) => (isText(given[name]) ? String(given[name]) : wrong(name, "as a text")),
    texts(name) {
      const value = given[name];
      const isList = Array.isArray(value) && value.length > 0 && value.every(isText);
      return isList ? value : wrong(name, "as an array of texts");
    },
    count(name) {
      const value = given[name];
      return Number.isSafeInteger(value) && Number(value) >= 0
        ? Number(value)
        : wrong(name, "as an integer from 0");
    },
    oneOf(name, choices) {
      const choice = choices.find((known) => known === given[name]);
      return choice ?? wrong(name, `as ${choices.map((known) => `"${known}"`).join(" or ")}`);
    },
  };
}

/** Judges a text by a row's instructions. Throws what `refuse` throws. */
export async function judgeInstructions(
  row: RewardItem,
  text: string,
  refuse: Refuse,
): Promise<InstructionVerdicts> {
  const checks = await checksOf(row, refuse);
  const variants = looseVariants(text);
  const strict = checks.map((check) => followsStrictly(check, text));
  const loose = checks.map(
    (check, i) => strict[i] === true || variants.some((variant) => followsStrictly(check, variant)),
  );
  return { strict, loose };
}

const LANGUAGE = /^language:|^change_case:english_/;

async function checksOf(row: RewardItem, refuse: Refuse): Promise<Check[]> {
  const instructions = readInstructions(row, refuse);
  const needsLanguage = instructions.some(({ kind }) => LANGUAGE.test(kind));
  return toChecks(instructions, refuse, needsLanguage ? await loadDetector() : () => null);
}

/**
 * The share of the item's instructions that a text follows, from 0 to 1. As a potential, it is the mean of
 * `Check.promise` over the instructions. It needs the items of a task whose rows have
 * `instruction_id_list` and `kwargs`, such as those of `ifeval`.
 */
export function ifevalReward(): Reward {
  return {
    name: "ifeval",
    async score({ pool, item }) {
      const checks = await checksOf(item ?? {}, refuseItem);
      return pool.map((completion) => worthOf(checks, completion));
    },
  };
}

function worthOf(checks: readonly Check[], { text, finishReason }: Completion): number {
  const worth = checks.map((check) =>
    finishReason === null ? check.promise(text) : Number(followsStrictly(check, text)),
  );
  return worth.reduce((a, b) => a + b, 0) / worth.length;
}

function refuseItem(field: string, expected: string): never {
  throw new LlamaEtsError("ERR_REWARD", `Expected the item's \`${field}\` to ${expected}`, {
    fix: "eval ifeval, or a task whose rows have `instruction_id_list` and `kwargs`",
  });
}
