/**
 * Checks the options of an evaluation and fills in defaults. The options of its methods are checked later.
 */
import {
  checkBoolean,
  checkFunction,
  checkInteger,
  checkKeys,
  checkModel,
  checkOneOf,
  checkSignal,
  checkString,
  isDense,
  optional,
  refuse,
} from "../engine/check.js";
import type { Model } from "../engine/engine.js";
import { LlamaEtsError } from "../engine/errors.js";
import type { MethodName } from "../methods/registry.js";
import { DEFAULT_REWARD, parseReward } from "../rewards/named.js";
import { checkJudge } from "../tasks/judge-grader.js";
import { GRADING_MODES, type GradingMode, PROMPT_FORMS, type PromptForm } from "../tasks/task.js";
import { checkMethods, type EvaluatedMethod, type EvaluatedOptions } from "./configured-methods.js";
import type { EvaluationProgress } from "./progress.js";
import type { Kept, Sample, TokenPart } from "./store/run-files.js";
import type { BudgetPlan } from "./total-budget.js";

const TOKEN_PARTS: readonly TokenPart[] = ["tokens", "logprobs", "entropies"];

/** The maximum number of concurrent runs of an evaluation or a worker. */
export const MAX_CONCURRENCY = 64;

/** What an evaluation draws, how, and where it keeps the samples. */
export interface EvaluateOptions {
  /** Methods to compare: names, or methods with options of their own. */
  methods: readonly (MethodName | EvaluatedMethod)[];
  /** The run directory. */
  out: string;
  /** Continues the run in `out`. Default false: a directory that holds a run is refused. */
  resume?: boolean;
  /**
   * Ends the run early once this many of its samples have failed (at least 1). It keeps the samples drawn so
   * far. Default: all samples are drawn.
   */
  maxFailures?: number;
  /** The data file. Default: the task's own. */
  data?: string;
  /** Evaluates only this many first items, at least 1. Default: all. */
  limit?: number;
  /** Samples of each item and method, from 1 to 10,000. Default 1. */
  samples?: number;
  /**
   * Tokens that the whole evaluation may generate (at least 1), including those of a proposal. Methods have
   * equal shares. An item gets up to `samples` samples, which vote for its answer. Once the vote is settled,
   * the item gets no more samples and the rest goes to other items. Default: each item gets all of its
   * samples, which don't vote.
   */
  budgetTokensTotal?: number;
  /** From 0 to 2^53 - 1; each sample's own seed derives from it. Default 0. */
  seed?: number;
  /** How answers are graded. Default "fair". */
  mode?: GradingMode;
  /** The prompts' form. Default "chat". */
  form?: PromptForm;
  /** With `judge:GGUF` an instruct model grades by the reference answer. Default: the task's own grader. */
  grader?: string;
  /** Lets graders run generated programs, in a sandbox. Default false. */
  allowCodeExecution?: boolean;
  /**
   * What a sample keeps for curves over the number of texts. "texts" keeps the texts that `majority` and
   * `best-of-n` chose from, with answers and rewards. One or more of `tokens` (ids and texts), `logprobs` and
   * `entropies` keep these texts and, per token, the named values; other methods keep the values of the
   * tokens of their own text. `entropies` is not available for diffusion models and beam search. Default
   * "texts", or "none" for tasks that run programs.
   */
  keep?: Kept | TokenPart;
  /** Common options of the methods. Each method takes those that it knows. */
  options?: EvaluatedOptions;
  /** The name of a reward, as for `ask --reward`. Default "self-consistency". */
  reward?: string;
  /** ETS-IS: the model that draws the rollouts. */
  proposal?: Model;
  /**
   * Number of concurrent runs, from 1 to 64, whose texts are decoded in one batch. Default 1. It is lowered
   * to what fits into memory and one context. A sample's settings and random numbers don't depend on it; its
   * text can differ only through rounding.
   */
  concurrency?: number;
  /**
   * A Redis server (`redis://host:6379`) whose workers draw the samples (`llama-ets worker`); this
   * process then grades and keeps them.
   */
  queue?: string;
  /** Aborting rejects with the signal's reason. Samples already drawn are kept. */
  signal?: AbortSignal;
  /** Called after each sample, and about ten times a second while tokens are drawn. */
  onProgress?: (progress: EvaluationProgress) => void;
  /** Called with each sample once it is kept. */
  onSample?: (sample: Sample) => void;
  /** Called with the budget of each method before the first sample, if there is a total budget. */
  onBudget?: (plan: BudgetPlan) => void;
  /** Called with warnings, such as a lowered concurrency or samples of another version. */
  onWarning?: (message: string) => void;
}

const KEYS = [
  "methods",
  "out",
  "resume",
  "data",
  "limit",
  "samples",
  "seed",
  "mode",
  "form",
  "queue",
  "allowCodeExecution",
  "keep",
  "maxFailures",
  "options",
  "reward",
  "proposal",
  "concurrency",
  "grader",
  "budgetTokensTotal",
  "onBudget",
  "signal",
  "onProgress",
  "onSample",
  "onWarning",
];

/** Throws `ERR_INVALID_OPTION`. */
export function resolveEvaluateOptions(options: EvaluateOptions) {
  checkKeys("options", options, KEYS);
  const { resume = false, samples = 1, seed = 0, mode = "fair", form = "chat" } = options;
  const { allowCodeExecution = false, concurrency = 1, reward = DEFAULT_REWARD } = options;
  parseReward(reward);
  return {
    methods: checkMethods(options.methods, options.options),
    options: options.options ?? {},
    out: checkString("out", options.out),
    resume: checkBoolean("resume", resume),
    data: optional(checkString, "data", options.data),
    queue: optional(checkQueue, "queue", options.queue),
    limit: optional(checkCount, "limit", options.limit),
    budgetTokensTotal: optional(checkCount, "budgetTokensTotal", options.budgetTokensTotal),
    maxFailures: optional(checkCount, "maxFailures", options.maxFailures),
    samples: checkInteger("samples", samples, 1, 10_000),
    seed: checkInteger("seed", seed, 0, Number.MAX_SAFE_INTEGER),
    mode: checkOneOf("mode", mode, GRADING_MODES),
    form: checkOneOf("form", form, PROMPT_FORMS),
    allowCodeExecution: checkBoolean("allowCodeExecution", allowCodeExecution),
    grader: optional(checkJudge, "grader", options.grader),
    keep: optional(checkKept, "keep", options.keep),
    concurrency: checkInteger("concurrency", concurrency, 1, MAX_CONCURRENCY),
    reward,
    proposal: optional(checkModel, "proposal", options.proposal),
    signal: optional(checkSignal, "signal", options.signal),
    onProgress: optional(checkFunction, "onProgress", options.onProgress),
    onSample: optional(checkFunction, "onSample", options.onSample),
    onWarning: optional(checkFunction, "onWarning", options.onWarning),
    onBudget: optional(checkFunction, "onBudget", options.onBudget),
  };
}

export type ResolvedOptions = ReturnType<typeof resolveEvaluateOptions>;

function checkKept(name: string, keep: Kept | TokenPart): Kept {
  if (keep === "none" || keep === "texts") return keep;
  const parts: readonly unknown[] = Array.isArray(keep) ? keep : [keep];
  if (
    parts.length > 0 &&
    isDense(parts) &&
    parts.every((part) => TOKEN_PARTS.includes(part as TokenPart))
  ) {
    return [...new Set(parts as TokenPart[])];
  }
  return refuse(
    name,
    `"none", "texts", or some of ${TOKEN_PARTS.map((part) => `"${part}"`).join(", ")}`,
    keep,
  );
}

function checkCount(name: string, value: number): number {
  return checkInteger(name, value, 1, Number.MAX_SAFE_INTEGER);
}

/** Checks a Redis URL. Throws `ERR_INVALID_OPTION`. */
export function checkQueue(name: string, value: unknown): string {
  const url = checkString(name, value);
  if (URL.canParse(url)) {
    const { protocol, pathname } = new URL(url);
    // The Redis client silently takes any other path as database 0.
    if (/^rediss?:$/.test(protocol) && /^(\/\d{0,6})?$/.test(pathname)) return url;
  }
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    `Expected \`${name}\` to be a Redis URL, got ${url}`,
    {
      fix: "redis://localhost:6379, with /1 for database 1",
    },
  );
}
