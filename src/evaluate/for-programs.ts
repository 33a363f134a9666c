/** The API of evaluations and workers. Their modules are loaded on the first call. */
import type { Model } from "../engine/engine.js";
import type { Task } from "../tasks/task.js";
import type { Evaluation } from "./evaluate.js";
import type { EvaluateOptions } from "./evaluate-options.js";
import type { WorkerOptions } from "./queue/worker.js";

/**
 * Evaluates methods on a task's items: draws, grades and keeps each sample in a run directory. A sample whose
 * key already exists is not drawn again. A failed sample is kept as failed, counts as neither right nor
 * wrong, and is tried again with `resume`.
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
  const module = await import("./evaluate.js");
  return module.evaluate(model, task, options);
}

/**
 * Draws samples for evaluations that name the same `queue`, until `signal` aborts it.
 *
 * @example
 * await runWorker(model, { queue: "redis://localhost:6379", signal: AbortSignal.timeout(3_600_000) });
 *
 * @throws LlamaEtsError `ERR_QUEUE` if the evaluation has another model, proposal, task or reward (its
 *   samples stay on the queue), or if there is no Redis; the signal's reason
 */
export async function runWorker(model: Model, options: WorkerOptions): Promise<never> {
  const module = await import("./queue/worker.js");
  return module.runWorker(model, options);
}
