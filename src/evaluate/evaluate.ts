/** Evaluations: draws and grades items × methods × samples, and keeps them in a run directory. */
import { checkModel } from "../engine/check.js";
import type { Model } from "../engine/engine.js";
import { LlamaEtsError } from "../engine/errors.js";
import { DEFAULT_REWARD } from "../rewards/named.js";
import type { Reward } from "../rewards/reward.js";
import { isBuiltIn } from "../tasks/index.js";
import { openGraderBy } from "../tasks/judge-grader.js";
import {
  checkTask,
  type Grader,
  type GradingMode,
  loadItems,
  type Task,
  type TaskItem,
} from "../tasks/task.js";
import {
  type ConfiguredMethod,
  configureMethods,
  namedBefore,
  namedIn,
} from "./configured-methods.js";
import { type DrawRequest, describeFailure, keepsOfTokens, type Outcome } from "./draw-sample.js";
import {
  type EvaluateOptions,
  type ResolvedOptions,
  resolveEvaluateOptions,
} from "./evaluate-options.js";
import { gradeTexts } from "./grade-texts.js";
import { type DrawJob, listJobs } from "./jobs.js";
import { drawLocally } from "./local-executor.js";
import { openJudges } from "./open-judges.js";
import { ProgressCount } from "./progress.js";
import {
  type DescribedReward,
  describeGrader,
  describeMachine,
  describeModel,
  describeReward,
  describeTaskFile,
} from "./store/describe-run.js";
import { keepQuestions } from "./store/questions.js";
import {
  gradedOf,
  type Kept,
  type RunRecord,
  type Sample,
  type Summary,
} from "./store/run-files.js";
import { hashItems } from "./store/sample-key.js";
import { batchesWithin, checkVoting, planBudget } from "./total-budget.js";

/** The result of an evaluation. */
export interface Evaluation {
  /** The run directory. */
  directory: string;
  run: RunRecord;
  summary: Summary;
  /** The number of samples that this call drew, and of those that existed before. */
  drawn: number;
  kept: number;
  /** The number of failed samples of this call, and whether `maxFailures` ended it early. */
  failed: number;
  endedEarly: boolean;
}

/** Ends the drawing once `maxFailures` samples have failed. */
class TooManyFailures extends Error {}

/**
 * As `evaluate` of for-programs.ts, which documents the errors.
 *
 * @param loaded the items of the data, if the caller has read them already
 */
export async function evaluate(
  model: Model,
  task: Task,
  options: EvaluateOptions,
  loaded?: readonly TaskItem[],
): Promise<Evaluation> {
  checkModel("model", model);
  checkTask("task", task);
  const resolved = resolveEvaluateOptions(options);
  const { data, limit, samples, seed, mode, form, proposal, allowCodeExecution } = resolved;
  const { signal, onProgress, onSample, onWarning } = resolved;
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
  await using grader = await openGraderBy(resolved.grader, task, {
    mode,
    allowCodeExecution,
    ...(signal && { signal }),
  });
  const { reward: shared, queue } = resolved;
  const names = [...(shared === DEFAULT_REWARD ? [] : [shared]), ...namedIn(methods)];
  await using judges = await openJudges(queue === undefined ? names : [], task, item, signal);
  // Everything that can refuse the run is checked before a directory is created.
  if (queue !== undefined) {
    const { checkRedis } = await import("./queue/executor.js");
    await checkRedis(queue);
  }
  // This loads zod, which takes as long to load as the rest of the package.
  const { RunStore } = await import("./store/run-store.js");
  await using store = await RunStore.open(resolved.out, run, resolved.resume);
  if (!isBuiltIn(task.name)) await keepQuestions(store.directory, items);
  warnOfVersions(store.run, run, onWarning);
  for (const { name, method, auto } of methods) {
    if (auto) onWarning?.(`${name} is ${method} here: ${auto.because} (${auto.evidence})`);
  }
  const known = new Map(gradedOf(store.samples).map((sample) => [sample.key, sample as Sample]));
  const missing = jobs.filter(({ key }) => !known.has(key));
  const count = new ProgressCount(jobs, store.samples, { onProgress, budget: store.run.budget });
  const kept = jobs.length - missing.length;
  let [drawn, failed] = [0, 0];
  if (plan !== undefined) resolved.onBudget?.(structuredClone(plan));
  const request: Drawing["request"] = {
    batches: plan === undefined ? [missing] : batchesWithin(plan, jobs, known),
    async onOutcome(job, outcome) {
      const sample = await gradeOutcome(job, outcome, { task, mode, grader, signal });
      await store.append(sample);
      known.set(sample.key, sample);
      count.onSample(sample);
      drawn++;
      if ("error" in sample) failed++;
      onSample?.(structuredClone(sample));
      if (failed >= (resolved.maxFailures ?? Number.POSITIVE_INFINITY)) throw new TooManyFailures();
    },
  };
  let endedEarly = false;
  try {
    await draw({ request, model, task, run, methods, resolved, judges: judges.byName, count });
  } catch (error) {
    // The samples drawn so far count, however the run ends. The summary may fail too, for example on a full
    // disk.
    endedEarly = error instanceof TooManyFailures;
    if (!endedEarly) {
      await store.summarise().catch(() => {});
      throw error;
    }
  }
  return {
    directory: store.directory,
    run: store.run,
    summary: await store.summarise(),
    kept,
    drawn,
    failed,
    endedEarly,
  };
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

interface Drawing {
  /** The batches are drawn one after another, because later batches may depend on earlier outcomes. */
  request: Pick<DrawRequest, "onOutcome"> & { batches: Iterable<readonly DrawJob[]> };
  model: Model;
  task: Task;
  run: Pick<RunRecord, "model" | "proposal">;
  methods: readonly ConfiguredMethod[];
  resolved: ResolvedOptions;
  /** The rewards and potentials that this process uses, by their names. */
  judges: ReadonlyMap<string, Reward>;
  count: ProgressCount;
}

/** Draws the jobs in this process or on the workers of a queue. */
async function draw({
  request,
  model,
  task,
  run,
  methods,
  resolved,
  judges,
  count,
}: Drawing): Promise<void> {
  const { batches, onOutcome } = request;
  const { proposal, form, reward, queue, signal, onWarning, concurrency, out } = resolved;
  if (queue === undefined) {
    for (const jobs of batches) {
      await drawLocally(
        { jobs, onOutcome },
        {
          model,
          proposal,
          task,
          form,
          signal,
          onWarning,
          concurrency,
          reward: reward === DEFAULT_REWARD ? undefined : judges.get(reward),
          named: judges,
          keep: keptOf(task, resolved.keep),
          onTokens: (key, generated) => count.onTokens(key, generated),
        },
      );
    }
    return;
  }
  const { drawOnQueue } = await import("./queue/executor.js");
  const needsProposal = methods.some((method) => method.needsProposal);
  const work = {
    task: task.name,
    form,
    reward,
    model: run.model.sha256,
    keep: keptOf(task, resolved.keep),
    potentials: namedIn(methods),
    proposal: needsProposal ? (run.proposal?.sha256 ?? null) : null,
  };
  for (const jobs of batches) {
    await drawOnQueue({ jobs, onOutcome }, { url: queue, work, directory: out, signal, onWarning });
  }
}

/**
 * Returns what is kept. By default a task that runs programs keeps no texts, because each text would cost a
 * program run.
 */
function keptOf({ runsCode }: Task, keep: Kept | undefined): Kept {
  return keep ?? (runsCode ? "none" : "texts");
}

/** Converts a job's outcome to a line of `samples.jsonl`. If the grader fails, the sample is a failed one. */
async function gradeOutcome(
  { key, item, name: method, sample, seed }: DrawJob,
  outcome: Outcome,
  { task, mode, grader, signal }: GradingContext,
): Promise<Sample> {
  const identity = { key, task: task.name, item: item.id, method, sample, seed };
  if ("error" in outcome) return { ...identity, error: outcome.error };
  try {
    const { texts, ...drawn } = outcome.drawn;
    const verdict = await grader.grade(item, drawn.text);
    const graded = texts && { texts: await gradeTexts(grader, item, texts) };
    return { ...identity, gold: item.gold, ...drawn, ...graded, ...verdict, gradedBy: mode };
  } catch (error) {
    signal?.throwIfAborted();
    return { ...identity, error: describeFailure(error) };
  }
}

interface GradingContext {
  task: Task;
  mode: GradingMode;
  grader: Grader;
  signal: AbortSignal | undefined;
}

/**
 * Warns that a run will hold samples of two versions, which can differ from those that one version would
 * draw.
 */
function warnOfVersions(
  { versions: before }: Pick<RunRecord, "versions">,
  { versions: now }: Pick<RunRecord, "versions">,
  onWarning: ((message: string) => void) | undefined,
): void {
  if (before.llamaEts === now.llamaEts && before.llamaCpp === now.llamaCpp) return;
  onWarning?.(
    `The run was begun with llama-ets ${before.llamaEts} on llama.cpp ${before.llamaCpp}; this is ${now.llamaEts} on ${now.llamaCpp}`,
  );
}
