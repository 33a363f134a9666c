/** Rewards by name, as the command line gives them: `self-consistency+0.5*confidence`. */
import { readFile } from "node:fs/promises";
import { checkOneOf, checkString } from "../engine/check.js";
import { LlamaEtsError, messageOf } from "../engine/errors.js";
import { loadModel } from "../engine/local/load-model.js";
import type { Model } from "../engine/local/model.js";
import type { AnswerOptions } from "./answer.js";
import { combine } from "./combine.js";
import { confidence } from "./confidence.js";
import { entropy } from "./entropy.js";
import { jsonSchemaVerifier } from "./json-schema.js";
import { loadRewardModule } from "./module.js";
import type { Reward } from "./reward.js";
import { rewardModel } from "./reward-model.js";
import { selfCertainty } from "./self-certainty.js";
import { selfConsistency } from "./self-consistency.js";
import { regexVerifier } from "./verifier.js";

/** What named rewards need of the task and the program. */
export interface RewardContext extends AnswerOptions {
  /** Loads the model of `model:GGUF`. Default: `loadModel`. */
  loadModel?: (source: string) => Promise<Model>;
}

/** A reward, and what was opened for it: disposing frees the models it loaded. */
export interface OpenedReward extends AsyncDisposable {
  readonly reward: Reward;
}

interface Term {
  weight: number;
  kind: Kind;
  /** What follows the colon. */
  argument: string;
}

const PLAIN = ["self-consistency", "confidence", "entropy", "self-certainty"] as const;
const WITH_ARGUMENT = ["regex", "json-schema", "module", "model"] as const;
type Kind = (typeof PLAIN)[number] | (typeof WITH_ARGUMENT)[number];

/** The votes for a text's answer; a task brings its own way to find answers. */
export const DEFAULT_REWARD: Kind = "self-consistency";

/** For help texts: what an expression may name. */
export const REWARD_NAMES = [...PLAIN, "regex:PATTERN", "json-schema:FILE", "module:FILE"] as const;

const WEIGHT = String.raw`(?:(-?\d*\.?\d+(?:e[+-]?\d+)?)\*)?`;
const START = `${WEIGHT}(?:(?:${PLAIN.join("|")})(?=[+]|$)|(?:${WITH_ARGUMENT.join("|")}):)`;
/** A plus begins a new term only before the name of a reward: patterns and paths may hold some. */
const SEPARATOR = new RegExp(String.raw`\+(?=${START.replaceAll("(-?", "(?:-?")})`, "i");
const TERM = new RegExp(`^${WEIGHT}(.*)$`, "is");

/** Throws `ERR_INVALID_OPTION` for what names no reward; opens nothing. */
export function parseReward(expression: string): Term[] {
  return checkString("--reward", expression).split(SEPARATOR).map(parseTerm);
}

function parseTerm(text: string): Term {
  const [, weight = "1", named = ""] = TERM.exec(text) ?? [];
  const [, name = "", argument = ""] = /^([^:]*):?(.*)$/s.exec(named) ?? [];
  const isNamed =
    (PLAIN as readonly string[]).includes(named) ||
    ((WITH_ARGUMENT as readonly string[]).includes(name) && argument !== "");
  if (!isNamed) checkOneOf("--reward", named, REWARD_NAMES);
  return { weight: Number(weight), kind: name as Kind, argument };
}

/**
 * The reward that an expression names: one of `REWARD_NAMES`, or a sum of them with weights.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`, `ERR_REWARD`, and `loadModel`'s
 */
export async function openReward(
  expression: string,
  context: RewardContext = {},
): Promise<OpenedReward> {
  const terms = parseReward(expression);
  const parts: { reward: Reward; weight: number }[] = [];
  const close = async () => {
    await Promise.all(parts.map(({ reward }) => reward[Symbol.asyncDispose]?.()));
  };
  try {
    for (const term of terms) {
      parts.push({ reward: await openTerm(term, context), weight: term.weight });
    }
  } catch (error) {
    await close();
    throw error;
  }
  const [first] = parts;
  const isSingle = parts.length === 1 && first?.weight === 1;
  return { reward: isSingle ? first.reward : combine(parts), [Symbol.asyncDispose]: close };
}

async function openTerm(
  { kind, argument }: Term,
  { extract, answerEnd, ...context }: RewardContext,
): Promise<Reward> {
  switch (kind) {
    case "self-consistency":
      return selfConsistency({ ...(extract && { extract }), ...(answerEnd && { answerEnd }) });
    case "confidence":
      return confidence();
    case "entropy":
      return entropy();
    case "self-certainty":
      return selfCertainty();
    case "regex":
      return regexVerifier(argument);
    case "json-schema":
      return jsonSchemaVerifier(await readSchema(argument));
    case "module":
      return loadRewardModule(argument);
    case "model":
      return openModel(argument, context.loadModel ?? loadModel);
  }
}

/** The reward owns the model that it loads. */
async function openModel(source: string, load: (source: string) => Promise<Model>) {
  const model = await load(source);
  try {
    const reward = rewardModel(model);
    const dispose = async () => {
      await reward[Symbol.asyncDispose]?.();
      await model.dispose();
    };
    return { ...reward, name: `model:${source}`, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await model.dispose();
    throw error;
  }
}

async function readSchema(file: string): Promise<object> {
  try {
    return JSON.parse(await readFile(file, "utf8"));
  } catch (error) {
    throw new LlamaEtsError("ERR_REWARD", `Could not read ${file}: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
