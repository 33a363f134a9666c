/** Prepares an evaluation: checks all that can be checked before a run directory exists. */
import { checkModel } from "../engine/check.js";
import type { Model } from "../engine/engine.js";
import { LlamaEtsError } from "../engine/errors.js";
import { checkTask, loadItems, type Task, type TaskItem } from "../tasks/task.js";
import { type ConfiguredMethod, configureMethods, namedBefore } from "./configured-methods.js";
import { keepsOfTokens } from "./draw-sample.js";
import {
  type EvaluateOptions,
  type ResolvedOptions,
  resolveEvaluateOptions,
} from "./evaluate-options.js";
import { type DrawJob, listJobs } from "./jobs.js";
import {
  type DescribedReward,
  describeGrader,
  describeMachine,
  describeModel,
  describeReward,
  describeTaskFile,
} from "./store/describe-run.js";
import type { Kept, RunRecord } from "./store/run-files.js";
import { hashItems } from "./store/sample-key.js";
import { type BudgetPlan, checkVoting, planBudget } from "./total-budget.js";

/** An evaluation that can begin. */
export interface PreparedRun {
  resolved: ResolvedOptions;
  /** The items to draw for, and the first of them. */
  items: readonly TaskItem[];
  item: TaskItem;
  methods: readonly ConfiguredMethod[];
  run: Omit<RunRecord, "format">;
  /** The jobs of all samples, whether they exist already or not. */
  jobs: readonly DrawJob[];
  /** What each method may spend of a total budget; undefined without one. */
  plan: BudgetPlan | undefined;
}

/**
 * Checks the options, reads the items, and describes the run.
 *
 * @param loaded the items of the data, if the caller has read them already
 * @throws LlamaEtsError as `evaluate` of for-programs.ts documents
 */
export async function prepareRun(
  model: Model,
  task: Task,
  options: EvaluateOptions,
  loaded?: readonly TaskItem[],
): Promise<PreparedRun> {
  checkModel("model", model);
  checkTask("task", task);
  const resolved = resolveEvaluateOptions(options);
  const { data, limit, samples, seed, mode, form, proposal, signal } = resolved;
  refuseUnmeasured(model, resolved.keep);
  const total = resolved.budgetTokensTotal;
  if (total !== undefined) checkVoting(task, samples);
  signal?.throwIfAborted();
  const all = loaded ?? (await loadItems(task, data, signal ? { signal } : {}));
  const items = all.slice(0, limit);
  const [item] = items;
  if (item === undefined) {
    throw new LlamaEtsError("ERR_INVALID_DATA", `${data ?? `The task ${task.name}`} has no items`);
  }
  const reward = await describeReward(resolved.reward, signal);
  const named = new Map<string, DescribedReward>();
  for (const name of namedBefore(resolved)) named.set(name, await describeReward(name, signal));
  const date = await dateOfRun(resolved);
  const setting = { model, task, form, item, reward, named, date };
  const methods = configureMethods(resolved, setting);
  const run: Omit<RunRecord, "format"> = {
    task: task.name,
    items: items.length,
    samples,
    seed,
    mode,
    form,
    ...(total !== undefined && { budget: { tokens: total } }),
    ...(await describeTaskFile(task)),
    ...(await describeGrader(resolved.grader, signal)),
    data: { path: data ?? task.dataFile ?? task.name, sha256: hashItems(all) },
    methods: methods.map(({ name, method, settings, auto }) => {
      return { name, method, settings, ...(auto && { auto }) };
    }),
    model: await describeModel(model, signal),
    ...(proposal && { proposal: await describeModel(proposal, signal) }),
    ...describeMachine(model),
    startedAt: new Date().toISOString(),
  };

  const jobs = listJobs(run, items, methods);
  const plan =
    total === undefined
      ? undefined
      : await planBudget(total, methods, jobs, { model, proposal, task, form });
  return { resolved, items, item, methods, run, jobs, plan };
}

/** Refuses to keep entropies for a model that can't measure them. */
function refuseUnmeasured(model: Model, keep: Kept = "none"): void {
  if (!keepsOfTokens(keep, "entropies") || (!model.info.isDiffusion && model.can.metrics)) return;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    `\`keep\`: the entropies of tokens are measured by autoregressive models that are loaded from a file; ${model.path} is none`,
    { fix: "keep: tokens and logprobs" },
  );
}

/**
 * Returns the date (YYYY-MM-DD) on which a run began: for a resumed run the date kept in it, otherwise today
 * in local time.
 */
async function dateOfRun({ out, resume }: ResolvedOptions): Promise<string> {
  const { readRunDate } = await import("./store/read-run.js");
  const kept = resume ? await readRunDate(out) : undefined;
  if (kept !== undefined) return kept;
  const now = new Date();
  const [month, day] = [now.getMonth() + 1, now.getDate()].map((n) => String(n).padStart(2, "0"));
  return `${now.getFullYear()}-${month}-${day}`;
}
