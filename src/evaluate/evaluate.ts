/** Evaluations: items × methods × samples, kept in a run directory. */
import type { Model } from "../engine/local/model.js";
import type { MethodName } from "../methods/method-names.js";
import type { MethodOptions } from "../methods/options.js";
import type { GradingMode, PromptForm, Task } from "../tasks/task.js";
import type { WorkerOptions } from "./queue-worker.js";
import type { RunRecord, Sample, Summary } from "./run-files.js";

/** The options of a method that an evaluation may set; seeds, answers and callbacks are its own. */
export type EvaluatedOptions = Omit<
  MethodOptions,
  | "extract"
  | "onPlan"
  | "onProgress"
  | "onStep"
  | "onWarning"
  | "proposal"
  | "reward"
  | "seed"
  | "signal"
>;

/** A method with options of its own, under a name of its own. */
export interface EvaluatedMethod {
  /** Unique within the run. */
  name: string;
  method: MethodName;
  /** Besides the common `options`, which they override. */
  options?: EvaluatedOptions;
}

export interface EvaluateOptions {
  /** Methods to compare: names, or methods with options of their own. */
  methods: readonly (MethodName | EvaluatedMethod)[];
  /** The run directory. */
  out: string;
  /** Goes on with the run in `out`, where there is one. Default false: it is refused. */
  resume?: boolean;
  /** The data file. Default: the task's own. */
  data?: string;
  /** The first items only, at least 1. Default: all. */
  limit?: number;
  /** Samples of each item and method, from 1 to 10,000. Default 1. */
  samples?: number;
  /** From 0 to 2^53 - 1; each sample's own seed derives from it. Default 0. */
  seed?: number;
  /** How answers are graded. Default "fair". */
  mode?: GradingMode;
  /** The prompts' form. Default "chat". */
  form?: PromptForm;
  /** Lets graders run generated programs, in a sandbox. Default false. */
  allowCodeExecution?: boolean;
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
  /** Called with what the caller should know: lowered concurrency, another version's samples. */
  onWarning?: (message: string) => void;
}

export interface EvaluationProgress {
  /** Samples that are there, those of earlier runs included. */
  done: number;
  total: number;
  /** Of this process: samples, the milliseconds they have taken, and tokens generated so far. */
  drawn: number;
  ms: number;
  generated: number;
  /** Of each method so far; failed samples count as wrong. */
  methods: Readonly<Record<string, { n: number; correct: number; failed: number }>>;
}

export interface Evaluation {
  /** The run directory. */
  directory: string;
  run: RunRecord;
  summary: Summary;
  /** Samples that this call drew, and that were there before. */
  drawn: number;
  kept: number;
}

/**
 * Evaluates methods on a task's items: draws, grades and keeps each sample in a run directory.
 * A sample that is there already, by its key, is not drawn again; one whose run failed is kept as
 * such, counts as wrong, and is tried again by `resume`.
 *
 * @example
 * const model = await loadModel("mini-gsm-ref");
 * const { summary } = await evaluate(model, miniGsm, {
 *   methods: ["majority", "ets", { name: "ets-4x4", method: "ets", options: { candidates: 4, rollouts: 4 } }],
 *   limit: 100,
 *   out: "runs/first",
 * });
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`, `ERR_INVALID_DATA`, `ERR_RUN_IN_USE`, `ERR_WRITE`,
 *   `ERR_QUEUE`; the signal's reason when aborted
 */
export async function evaluate(
  model: Model,
  task: Task,
  options: EvaluateOptions,
): Promise<Evaluation> {
  const { runEvaluation } = await import("./run-evaluation.js");
  return runEvaluation(model, task, options);
}

/**
 * Draws samples for evaluations that name the same `queue`, until `signal` aborts it.
 *
 * @throws LlamaEtsError `ERR_QUEUE` when the evaluation is of another model, proposal, task or
 *   reward (its samples stay on the queue), or when there is no Redis; the signal's reason
 */
export async function runWorker(model: Model, options: WorkerOptions): Promise<never> {
  const { workOnQueue } = await import("./queue-worker.js");
  return workOnQueue(model, options);
}
