/** Runs an evaluation: what is missing from its run directory is drawn, graded and kept. */
import { LlamaEtsError } from "../engine/errors.js";
import type { Model } from "../engine/local/model.js";
import { openReward } from "../rewards/named.js";
import type { Task } from "../tasks/task.js";
import { configureMethods } from "./configured-methods.js";
import { describeMachine, describeModel, describeReward } from "./describe-run.js";
import type { EvaluateOptions, Evaluation } from "./evaluate.js";
import { DEFAULT_REWARD, resolveEvaluateOptions } from "./evaluate-options.js";
import { gradeOutcome } from "./grade-outcome.js";
import { listJobs } from "./jobs.js";
import { type DrawRequest, drawLocally } from "./local-drawer.js";
import { ProgressCount } from "./progress-count.js";
import { RUN_FORMAT, type RunRecord } from "./run-files.js";
import { RunStore } from "./run-store.js";
import { canonicalJson, sha256 } from "./sample-key.js";

/** As `evaluate`. */
export async function runEvaluation(
  model: Model,
  task: Task,
  options: EvaluateOptions,
): Promise<Evaluation> {
  const { signal, onProgress, onSample, onWarning } = options;
  const resolved = resolveEvaluateOptions(options);
  const { data, limit, samples, seed, mode, form, proposal, allowCodeExecution } = resolved;
  signal?.throwIfAborted();
  const all = await task.load(data, signal ? { signal } : {});
  const items = all.slice(0, limit);
  const [item] = items;
  if (item === undefined) {
    throw new LlamaEtsError("ERR_INVALID_DATA", `${data ?? `The task ${task.name}`} has no items`);
  }
  const reward = await describeReward(resolved.reward, signal);
  const methods = configureMethods(options, { model, task, form, item, reward });
  const run: RunRecord = {
    format: RUN_FORMAT,
    ...{ task: task.name, items: items.length, samples, seed, mode, form },
    // Of what was read: another packing of the same rows is the same data.
    data: { path: data ?? task.name, sha256: sha256(canonicalJson(all)) },
    methods: methods.map(({ name, method, settings }) => ({ name, method, settings })),
    model: await describeModel(model, signal),
    ...(proposal && { proposal: await describeModel(proposal, signal) }),
    ...describeMachine(model),
    startedAt: new Date().toISOString(),
  };

  await using grader = await task.openGrader({
    mode,
    allowCodeExecution,
    ...(signal && { signal }),
  });
  await using store = await RunStore.open(resolved.out, run, resolved.resume);
  warnOfVersions(store.run, run, onWarning);
  const jobs = listJobs(run, items, methods);
  const missing = jobs.filter(({ key }) => !store.has(key));
  const count = new ProgressCount(jobs, store.samples, onProgress);
  const request: DrawRequest = {
    jobs: missing,
    async onOutcome(job, outcome) {
      const sample = await gradeOutcome(job, outcome, { task: task.name, mode, grader, signal });
      await store.append(sample);
      count.onSample(sample);
      onSample?.(sample);
    },
  };
  try {
    if (resolved.queue === undefined) {
      await using opened =
        resolved.reward === DEFAULT_REWARD ? null : await openReward(resolved.reward, task);
      await drawLocally(request, {
        ...{ model, proposal, task, form, signal, onWarning },
        reward: opened?.reward,
        concurrency: resolved.concurrency,
        onTokens: (key, generated) => count.onTokens(key, generated),
      });
    } else {
      const { drawOnQueue } = await import("./queue-drawer.js");
      const needsProposal = methods.some((method) => method.needsProposal);
      const work = {
        ...{ task: task.name, form, reward: resolved.reward, model: run.model.sha256 },
        proposal: needsProposal ? (run.proposal?.sha256 ?? null) : null,
      };
      await drawOnQueue(request, { url: resolved.queue, work, directory: resolved.out, signal });
    }
  } catch (error) {
    // What was drawn counts, however the run ends; a full disk may be why it does.
    await store.summarise().catch(() => {});
    throw error;
  }
  return {
    directory: store.directory,
    run: store.run,
    summary: await store.summarise(),
    drawn: missing.length,
    kept: jobs.length - missing.length,
  };
}

/** Samples of two versions share a run; they need not be the ones that either would have drawn. */
function warnOfVersions(
  { versions: before }: RunRecord,
  { versions: now }: RunRecord,
  onWarning: EvaluateOptions["onWarning"],
): void {
  if (before.llamaEts === now.llamaEts && before.llamaCpp === now.llamaCpp) return;
  onWarning?.(
    `The run was begun with llama-ets ${before.llamaEts} on llama.cpp ${before.llamaCpp}; this is ${now.llamaEts} on ${now.llamaCpp}`,
  );
}
