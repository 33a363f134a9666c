/** Rewards by name, as the command line takes them: `self-consistency+0.5*confidence`. */
import {
  checkFunction,
  checkObject,
  checkOneOf,
  checkSignal,
  checkString,
  optional,
} from "../engine/check.js";
import type { Model } from "../engine/engine.js";
import { LlamaEtsError, whyUnreadable } from "../engine/errors.js";
import { loadModel } from "../engine/load-model.js";
import { readTextFile } from "../engine/read-file.js";
import { type AnswerOptions, checkAnswerOptions } from "./answer.js";
import { confidence, entropy, selfCertainty } from "./certainty.js";
import { combine } from "./combine.js";
import { ifevalReward } from "./ifeval/ifeval.js";
import { judge, pairwiseJudge } from "./instruct-judge.js";
import { jsonSchemaVerifier } from "./json-schema.js";
import { loadRewardModule } from "./module.js";
import type { Reward } from "./reward.js";
import { rewardModel } from "./reward-model.js";
import { selfConsistency } from "./self-consistency.js";
import { regexVerifier } from "./verifier.js";

/** What named rewards need from the task and the program. */
export interface RewardContext extends AnswerOptions {
  /** Loads the model of `model:GGUF` or of a judge. Default: `loadModel`. */
  loadModel?: (source: string) => Promise<Model>;
  /** Ends the wait for a file that is a named pipe. */
  signal?: AbortSignal;
}

/** A reward and the models that were loaded for it, which disposing frees. */
export interface OpenedReward extends AsyncDisposable {
  readonly reward: Reward;
}

interface NamedReward {
  /** The kind of argument that follows the name and a colon; absent if the reward takes none. */
  takes?: "PATTERN" | "FILE" | "GGUF";
  /** Whether it needs a task's item. Without one it fails. */
  needsItem?: true;
  open(argument: string, context: RewardContext): Reward | Promise<Reward>;
}

/** The rewards that an expression may name. Parsing, help texts and run records are derived from this. */
const REWARDS = {
  "self-consistency": { open: (_, context) => selfConsistency(answersIn(context)) },
  confidence: { open: () => confidence() },
  entropy: { open: () => entropy() },
  "self-certainty": { open: () => selfCertainty() },
  ifeval: { needsItem: true, open: () => ifevalReward() },
  regex: { takes: "PATTERN", open: (pattern) => regexVerifier(pattern) },
  "json-schema": {
    takes: "FILE",
    open: async (file, { signal }) => jsonSchemaVerifier(await readSchema(file, signal)),
  },
  module: { takes: "FILE", open: loadRewardModule },
  model: {
    takes: "GGUF",
    open: (source, context) => openModel("model", rewardModel, source, context),
  },
  judge: { takes: "GGUF", open: (source, context) => openModel("judge", judge, source, context) },
  "pairwise-judge": {
    takes: "GGUF",
    open: (source, context) => openModel("pairwise-judge", pairwiseJudge, source, context),
  },
} as const satisfies Record<string, NamedReward>;

type Kind = keyof typeof REWARDS;

interface Term {
  weight: number;
  kind: Kind;
  /** The text after the colon. */
  argument: string;
  /** The kind of the argument; undefined if there is none. */
  takes: NamedReward["takes"];
  needsItem: boolean;
}

const ENTRIES = Object.entries<NamedReward>(REWARDS);
const PLAIN = ENTRIES.filter(([, { takes }]) => takes === undefined).map(([name]) => name);
const WITH_ARGUMENT = ENTRIES.filter(([, { takes }]) => takes).map(([name]) => name);

/** The names for help texts, with their kinds of arguments. */
export const REWARD_NAMES = ENTRIES.map(([name, { takes }]) => (takes ? `${name}:${takes}` : name));

/** The rewards that open no file, load no model and need no task. Requests to the server may use them. */
export const PLAIN_REWARDS = ENTRIES.filter(
  ([, { takes, needsItem }]) => takes === undefined && needsItem === undefined,
).map(([name]) => name);

/** The default reward: the votes for a text's answer. A task may have its own way to find answers. */
export const DEFAULT_REWARD: Kind = "self-consistency";

const WEIGHT = String.raw`(?:(-?\d*\.?\d+(?:e[+-]?\d+)?)\*)?`;
const START = `${WEIGHT}(?:(?:${PLAIN.join("|")})(?=[+]|$)|(?:${WITH_ARGUMENT.join("|")}):)`;
/** A plus begins a new term only before the name of a reward, because patterns and paths may hold pluses. */
const SEPARATOR = new RegExp(String.raw`\+(?=${START.replaceAll("(-?", "(?:-?")})`, "i");
const TERM = new RegExp(`^${WEIGHT}(.*)$`, "is");

/**
 * Parses an expression without opening anything. Throws `ERR_INVALID_OPTION` if it names no reward.
 *
 * @param option the name of the option that has the expression, for errors
 */
export function parseReward(expression: string, option = "--reward"): Term[] {
  return checkString(option, expression)
    .split(SEPARATOR)
    .map((term) => parseTerm(term, option));
}

/** The terms of an expression that name a file or a model, whose content decides what the reward says. */
export function termsWithFiles(expression: string): Term[] {
  return parseReward(expression).filter(({ takes }) => takes === "FILE" || takes === "GGUF");
}

/**
 * A potential that is only named by its expression and can't judge, for checks, plans and records. Throws
 * `ERR_INVALID_OPTION`.
 */
export function namedPotential(expression: string): Reward {
  parseReward(expression, "potential");
  return {
    name: expression,
    score: () => {
      throw new Error(`unreachable: ${expression} was not opened`);
    },
  };
}

function parseTerm(text: string, option: string): Term {
  const [, weight = "1", named = ""] = TERM.exec(text) ?? [];
  const [, name = "", colon, argument = ""] = /^([^:]*)(:?)(.*)$/s.exec(named) ?? [];
  const isNamed =
    argument === "" ? colon === "" && PLAIN.includes(name) : WITH_ARGUMENT.includes(name);
  if (!isNamed) checkOneOf(option, named, REWARD_NAMES);
  const kind = name as Kind;
  const { takes, needsItem = false } = REWARDS[kind] as NamedReward;
  return { weight: Number(weight), kind, argument, takes, needsItem };
}

/**
 * The reward that an expression names: one of `REWARD_NAMES`, or a sum of them with weights.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`, `ERR_REWARD`, and `loadModel`'s; the signal's reason
 */
export async function openReward(
  expression: string,
  context: RewardContext = {},
): Promise<OpenedReward> {
  const terms = parseReward(expression);
  checkAnswerOptions(checkObject("context", context));
  optional(checkFunction, "loadModel", context.loadModel);
  optional(checkSignal, "signal", context.signal);
  const parts: { reward: Reward; weight: number }[] = [];
  const close = async () => {
    await Promise.all(parts.map(({ reward }) => reward[Symbol.asyncDispose]?.()));
  };
  try {
    for (const term of terms) {
      const reward = await REWARDS[term.kind].open(term.argument, context);
      parts.push({ reward, weight: term.weight });
    }
  } catch (error) {
    await close();
    throw error;
  }
  const [first] = parts;
  const isSingle = parts.length === 1 && first?.weight === 1;
  return { reward: isSingle ? first.reward : combine(parts), [Symbol.asyncDispose]: close };
}

/** Potentials by their names, and the models that were loaded for them. */
export interface OpenedPotentials extends AsyncDisposable {
  readonly byName: ReadonlyMap<string, Reward>;
}

/** Opens potentials, each named as a reward. Throws as `openReward` does. */
export async function openPotentials(
  names: readonly string[],
  context: RewardContext = {},
): Promise<OpenedPotentials> {
  const opened = new Map<string, OpenedReward>();
  const close = async () => {
    await Promise.all([...opened.values()].map((one) => one[Symbol.asyncDispose]()));
  };
  try {
    for (const name of names) opened.set(name, await openReward(name, context));
  } catch (error) {
    await close();
    throw error;
  }
  const byName = new Map([...opened].map(([name, { reward }]) => [name, reward]));
  return { byName, [Symbol.asyncDispose]: close };
}

function answersIn({ extract, answerEnd }: RewardContext): AnswerOptions {
  return { ...(extract && { extract }), ...(answerEnd && { answerEnd }) };
}

/** Loads a model and makes a reward that owns it. */
async function openModel(
  kind: string,
  rewardOf: (model: Model) => Reward,
  source: string,
  { loadModel: load = (named) => loadModel(named) }: RewardContext,
) {
  const model = await load(source);
  try {
    const reward = rewardOf(model);
    const dispose = async () => {
      await reward[Symbol.asyncDispose]?.();
      await model.dispose();
    };
    return { ...reward, name: `${kind}:${source}`, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await model.dispose();
    throw error;
  }
}

async function readSchema(file: string, signal: AbortSignal | undefined): Promise<object> {
  try {
    return JSON.parse(await readTextFile(file, { ...(signal && { signal }) }));
  } catch (error) {
    signal?.throwIfAborted();
    throw new LlamaEtsError("ERR_REWARD", `Could not read ${file}: ${whyUnreadable(error)}`, {
      cause: error,
    });
  }
}
