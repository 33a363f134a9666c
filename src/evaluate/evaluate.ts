/** Evaluations: draws and grades items × methods × samples, and keeps them in a run directory. */
import type { Model } from "../engine/engine.js";
import { DEFAULT_REWARD } from "../rewards/named.js";
import { isBuiltIn } from "../tasks/index.js";
import { openGraderBy } from "../tasks/judge-grader.js";
import type { Grader, GradingMode, Task, TaskItem } from "../tasks/task.js";
import { namedIn } from "./configured-methods.js";
import { type Drawing, draw } from "./draw.js";
import { describeFailure, type Outcome } from "./draw-sample.js";
import type { EvaluateOptions } from "./evaluate-options.js";
import { gradeTexts } from "./grade-texts.js";
import type { DrawJob } from "./jobs.js";
import { openJudges } from "./open-judges.js";
import { prepareRun } from "./prepare-run.js";
import { ProgressCount } from "./progress.js";
import { keepQuestions } from "./store/questions.js";
import { gradedOf, type RunRecord, type Sample, type Summary } from "./store/run-files.js";
import { batchesWithin } from "./total-budget.js";

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
  const prepared = await prepareRun(model, task, options, loaded);
  const { resolved, items, item, methods, run, jobs, plan } = prepared;
  const { mode, allowCodeExecution, signal, onProgress, onSample, onWarning } = resolved;
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
