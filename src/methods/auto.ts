/**
 * Chooses the method that fits a request. The rules depend on what distinguishes a good answer from a bad
 * one. Each rule names its evidence: a row of docs/where-guidance-pays.md or another measurement.
 */
import { Budget } from "../chain/budget.js";
import type { Prompt } from "../engine/chat/conversation.js";
import { checkInteger, checkModel, checkObject, checkPositive, optional } from "../engine/check.js";
import type { Model } from "../engine/engine.js";
import { LlamaEtsError } from "../engine/errors.js";
import { given } from "../engine/given.js";
import type { AutoReason, Plan } from "../planning/run-plan.js";
import { checkReward } from "../rewards/reward.js";
import { checkAnyNames } from "./by-name.js";
import { checkNames, ownNames, SHARED_NAMES } from "./options/given.js";
import { checkOptions } from "./options/resolve.js";
import {
  METHOD_NAMES,
  METHODS,
  type MethodName,
  type MethodOptions,
  optionsFor,
  sample,
} from "./registry.js";
import type { Result } from "./result.js";

/** The chosen method, and why it was chosen. */
export interface AutoChoice extends AutoReason {
  method: MethodName;
  /** Options for the method in addition to those that the caller has set. */
  options: MethodOptions;
}

/** What the choice depends on, apart from the options. */
export interface AutoFacts {
  isDiffusion?: boolean;
  /** Tokens per second that the model draws, for budgets of time. Default: unknown. */
  speed?: number;
}

const PAGE = "docs/where-guidance-pays.md";

/** The message when guidance is impossible, with what would make it possible. */
const UNGUIDED =
  "nothing tells a better answer from a worse one; a `reward` (--reward), a `potential` (--potential), a `constraint` (--constraint) or a way to find answers, `extract` (--task), would";

/** Options that determine the steps of `ets`. A caller who gives one of them wants `ets`. */
const OF_ETS = ["rollouts", "steps", "blockTokens", "block", "adaptive", "preset"] as const;

/** The longest texts, in tokens, for which the study found that likely texts are better. */
const SHORT_TEXTS = 160;
const DEFAULT_LENGTH = 512;
const MOST_CANDIDATES = 32;

/**
 * The method and settings that fit the options, by the first rule that applies. Draws nothing.
 *
 * @example
 * chooseMethod({ potential: ({ text }) => text.length }).method; // "particle"
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`, also for options that only named methods take
 */
export function chooseMethod(options: MethodOptions, facts: AutoFacts = {}): AutoChoice {
  checkGiven(options, facts);
  const { reward, potential, constraint, extract, candidates, maxTokens } = options;
  const { isDiffusion = options.diffusion !== undefined } = facts;
  const choice = (method: MethodName, own: MethodOptions, because: string, evidence: string) => {
    const chosen = { method, options: own, because, evidence };
    checkOptions(METHODS[method], optionsGiven(options, chosen));
    return chosen;
  };
  if (becomesProposed(options)) {
    if (options.proposal === undefined) checkNames(METHODS.ets, options);
    return choice("ets-is", {}, "a proposal was given", "docs/methods.md#ets-ets-is");
  }
  if (OF_ETS.some((name) => options[name] !== undefined)) {
    return choice("ets", {}, "its options were given", "docs/methods.md#ets-ets-is");
  }
  refuseOthersOptions(options);
  const many = candidatesWithin(options, facts);
  const canCompare = many === null || many > 1;
  const size = many === null ? {} : { candidates: many };
  const isShort = (maxTokens ?? DEFAULT_LENGTH) <= SHORT_TEXTS && !isDiffusion;
  const likely = { ...size, alpha: 4, temperature: 1, blockTokens: 8 };
  if (potential !== undefined && extract !== undefined && isShort && canCompare && !constraint) {
    const own = { ...likely, lambda: 0.3, finish: "best" } as const;
    const because =
      "beginnings can be judged, and answers of short texts are the better the likelier these are";
    return choice("particle", own, because, `${PAGE}#verified`);
  }
  if (potential !== undefined && canCompare && !isDiffusion) {
    const blockTokens = blocksFor(maxTokens ?? DEFAULT_LENGTH);
    const own = { ...size, blockTokens, lambda: 0.05, finish: "best" } as const;
    if (constraint === undefined) {
      const because = "beginnings can be judged, so that tokens go where they pay";
      return choice("particle", own, because, `${PAGE}#keywords`);
    }
    const because = "the constraint leaves what is allowed, and beginnings can be judged";
    return choice("particle", own, because, `${PAGE}#counts`);
  }
  if (options.lambda !== undefined || options.finish !== undefined) {
    return choice("ets", {}, "λ or the end of guided runs was given", "docs/methods.md#ets-ets-is");
  }
  if (votesAlone(options) && canCompare) {
    if (isShort && constraint === undefined) {
      const because = "answers of short texts are the better the likelier these are";
      return choice("particle", likely, because, `${PAGE}#votes`);
    }
    const because = "answers can be compared: texts vote";
    return choice("majority", size, because, "docs/methods.md#majority");
  }
  const judge = reward ?? potential;
  if (judge !== undefined && canCompare) {
    const because = "whole texts can be judged, and beginnings not";
    return choice("best-of-n", { ...size, reward: judge }, because, `${PAGE}#verified`);
  }
  if (constraint !== undefined && canCompare && !isDiffusion) {
    const because = "the constraint alone tells good answers: its masses are the weights";
    const own = { ...size, blockTokens: 4 };
    return choice("particle", own, because, "docs/constraints.md#what-it-costs");
  }
  const isJudged = judge !== undefined || extract !== undefined || constraint !== undefined;
  if (candidates !== undefined && candidates > 1 && !isJudged) {
    return choice("ets", {}, "several candidates were asked for", "docs/methods.md#ets-ets-is");
  }
  if (!isJudged) return choice("sample", {}, UNGUIDED, `${PAGE}#what-is-not-known`);
  const because = canCompare ? "nothing given fits this model" : "the budget leaves one text";
  return choice("sample", {}, because, "docs/methods.md#auto");
}

/** Checks the options on which the choice depends. Throws `ERR_INVALID_OPTION`. */
function checkGiven(options: MethodOptions, facts: AutoFacts): void {
  checkAnyNames(checkObject("options", options));
  optional(checkCount, "maxTokens", options.maxTokens);
  optional(checkCount, "candidates", options.candidates);
  optional(checkReward, "reward", options.reward);
  optional(checkReward, "potential", options.potential);
  new Budget(options.budget);
  const { speed } = checkObject("facts", facts);
  optional(checkPositive, "facts.speed", speed);
}

/**
 * Runs the method that `chooseMethod` chooses. `result.auto` and the plan's `auto` give the reason.
 *
 * @example
 * const { text, method, auto: why } = await auto(model, "Write about the sea.", { potential });
 *
 * @throws LlamaEtsError as the method does
 */
export async function auto(
  model: Model,
  prompt: Prompt,
  options: MethodOptions = {},
): Promise<Result> {
  const choice = await choose(model, prompt, options);
  const { onPlan } = options;
  const reason = reasonOf(choice);
  const told = onPlan && { onPlan: (plan: Plan) => onPlan({ ...plan, auto: reason }) };
  const asked = { ...optionsGiven(options, choice), ...told };
  const result = await METHODS[choice.method](model, prompt, asked);
  return { ...result, auto: reason, plan: { ...result.plan, auto: reason } };
}

/** The choice for a model. With a budget of time, the model's speed is measured with a few tokens. */
export async function choose(
  model: Model,
  prompt: Prompt,
  options: MethodOptions,
): Promise<AutoChoice> {
  const { isDiffusion } = checkModel("model", model).info;
  checkObject("options", options);
  if (options.budget?.ms === undefined || options.candidates !== undefined) {
    return chooseMethod(options, { isDiffusion });
  }
  // Choose once without the speed, so that invalid options throw before anything is drawn.
  const { method } = chooseMethod(options, { isDiffusion });
  if (method === "sample" || method === "ets") return chooseMethod(options, { isDiffusion });
  return chooseMethod(options, { isDiffusion, speed: await speedOf(model, prompt, options) });
}

export function reasonOf({ because, evidence }: AutoChoice): AutoReason {
  return { because, evidence };
}

/** The options for the chosen method. Options that the caller has set take precedence. */
export function optionsGiven(options: MethodOptions, choice: AutoChoice): MethodOptions {
  const { reward, potential, ...rest } = options;
  const { method } = choice;
  const judges = {
    ...(reward !== undefined && METHODS[method].guidance.includes("reward") && { reward }),
    ...(potential !== undefined && METHODS[method].potential && { potential }),
  };
  return { ...choice.options, ...optionsFor(method, given(rest)), ...judges };
}

/** A tenth of the text, from 4 to 16 tokens. With shorter blocks, good beginnings win sooner. */
function blocksFor(maxTokens: number): number {
  return Math.max(4, Math.min(16, Math.round(maxTokens / 10)));
}

/** Whether votes for answers are the only guidance: `extract` is given, or a reward that votes. */
function votesAlone({ reward, potential, extract }: MethodOptions): boolean {
  if (potential !== undefined) return false;
  if (reward === undefined) return extract !== undefined;
  return (
    typeof reward !== "function" && reward.name === "self-consistency" && extract !== undefined
  );
}

/** Whether a proposal or an option of proposals was given. */
function becomesProposed(options: MethodOptions): boolean {
  const names = Object.keys(METHODS["ets-is"].proposal ?? {});
  return names.some((name) => (options as Record<string, unknown>)[name] !== undefined);
}

function refuseOthersOptions(options: MethodOptions): void {
  for (const [option, value] of Object.entries(options)) {
    if (value === undefined || option === "potential" || SHARED_NAMES.includes(option)) continue;
    const takers = METHOD_NAMES.filter((name) => ownNames(METHODS[name]).includes(option));
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `\`${option}\` is for ${takers.join(", ")}, not auto`,
      { fix: `method: "${takers[0]}" (--method)` },
    );
  }
}

/** A loose check for the rules; each method has its own bounds. */
const checkCount = (name: string, value: unknown) =>
  checkInteger(name, value, 1, Number.MAX_SAFE_INTEGER);

/** The number of candidates that fit into a budget of tokens or time; null without a budget. */
function candidatesWithin(
  { candidates, budget = {}, maxTokens = DEFAULT_LENGTH }: MethodOptions,
  { speed }: AutoFacts,
): number | null {
  if (candidates !== undefined) return candidates;
  const { tokens = Number.POSITIVE_INFINITY, ms } = budget;
  const inTime =
    ms === undefined || speed === undefined ? Number.POSITIVE_INFINITY : (ms / 1000) * speed;
  const room = Math.min(tokens, inTime);
  if (room === Number.POSITIVE_INFINITY) return null;
  return Math.max(1, Math.min(MOST_CANDIDATES, Math.floor(room / maxTokens)));
}

const PROBED_TOKENS = 8;
const speeds = new WeakMap<Model, number>();

/** The tokens per second of one text, without reading the prompt. Several texts together are faster. */
async function speedOf(model: Model, prompt: Prompt, options: MethodOptions): Promise<number> {
  const known = speeds.get(model);
  if (known !== undefined) return known;
  const { raw, system, chatTemplate, signal } = options;
  const asked = { ...given({ raw, system, chatTemplate, signal }), maxTokens: PROBED_TOKENS };
  // The first call reads the prompt, which is then kept for the second call and for the run.
  await sample(model, prompt, asked);
  const { usage } = await sample(model, prompt, asked);
  const speed = (1000 * Math.max(1, usage.generated)) / Math.max(usage.ms, 1);
  speeds.set(model, speed);
  return speed;
}
