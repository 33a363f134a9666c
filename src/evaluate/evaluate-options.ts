/** The options of an evaluation, checked and filled in; those of its methods are checked later. */
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

/** Runs side by side at the most, of an evaluation and of a worker. */
export const MAX_CONCURRENCY = 64;

/** What is evaluated, where it is kept, and how it is drawn. */
export interface EvaluateOptions {
  /** Methods to compare: names, or methods with options of their own. */
  methods: readonly (MethodName | EvaluatedMethod)[];
  /** The run directory. */
  out: string;
  /** Goes on with the run that `out` holds. Default false: such a directory is refused. */
  resume?: boolean;
  /**
   * Ends the run early once so many of its samples have failed, at least 1, with what it has. Default:
   * all samples are drawn.
   */
  maxFailures?: number;
  /** The data file. Default: the task's own. */
  data?: string;
  /** Evaluates the first items only, at least 1. Default: all. */
  limit?: number;
  /** Samples of each item and method, from 1 to 10,000. Default 1. */
  samples?: number;
  /**
   * Tokens that the whole evaluation may generate, a proposal's included, from 1. Methods have equal shares.
   * An item gets up to `samples` samples, which vote for its answer, and none once the vote is settled: the
   * others have what is left. Default: each item gets all of its samples, which don't vote.
   */
  budgetTokensTotal?: number;
  /** From 0 to 2^53 - 1; each sample's own seed derives from it. Default 0. */
  seed?: number;
  /** How answers are graded. Default "fair". */
  mode?: GradingMode;
  /** The prompts' form. Default "chat". */
  form?: PromptForm;
  /** `judge:GGUF`: an instruct model grades, by the reference answer. Default: the task's own grader. */
  grader?: string;
  /** Lets graders run generated programs, in a sandbox. Default false. */
  allowCodeExecution?: boolean;
  /**
   * What samples of `majority` and `best-of-n` keep of each text that they chose from, for curves over
   * their number: nothing, or the texts with answers and rewards. Or the texts and of each of their tokens,
   * with other methods of those of the text itself, one or several of `tokens` (ids and texts), `logprobs`
   * and `entropies` (not of diffusion models, nor of beam). Default "texts"; "none" for tasks that run programs.
   */
  keep?: Kept | TokenPart;
  /** Options that all methods share; each takes those that it knows. */
  options?: EvaluatedOptions;
  /** A reward by name, as `ask --reward` takes it. Default "self-consistency". */
  reward?: string;
  /** ETS-IS: the model that draws the rollouts. */
  proposal?: Model;
  /**
   * Runs side by side, from 1 to 64, whose texts are decoded together. Default 1. It is lowered to
   * what fits into memory and one context. A sample's settings and random numbers don't depend on
   * it, nor does its text but for rounding.
   */
  concurrency?: number;
  /**
   * A Redis server (`redis://host:6379`) whose workers draw the samples (`llama-ets worker`); this
   * process then grades and keeps them.
   */
  queue?: string;
  /** Aborting rejects with the signal's reason; what was drawn is kept. */
  signal?: AbortSignal;
  /** Called after each sample, and about ten times a second while tokens are drawn. */
  onProgress?: (progress: EvaluationProgress) => void;
  /** Called with each sample once it is kept. */
  onSample?: (sample: Sample) => void;
  /** With a total budget, called before the first sample with what each method may spend of it. */
  onBudget?: (plan: BudgetPlan) => void;
  /** Called with what the caller should know: lowered concurrency, another version's samples. */
  onWarning?: (message: string) => void;
}

const KEYS = [
  ...["methods", "out", "resume", "data", "limit", "samples", "seed", "mode", "form", "queue"],
  ...["allowCodeExecution", "keep", "maxFailures", "options", "reward", "proposal", "concurrency"],
  ...["grader", "budgetTokensTotal", "onBudget"],
  ...["signal", "onProgress", "onSample", "onWarning"],
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

/** Throws `ERR_INVALID_OPTION` for what is no Redis URL. */
export function checkQueue(name: string, value: unknown): string {
  const url = checkString(name, value);
  if (URL.canParse(url)) {
    const { protocol, pathname } = new URL(url);
    // Redis' client takes another path for database 0.
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
