import type { Grader } from "../tasks/task.js";
import { type DrawJob, describeFailure, type Outcome } from "./draw-sample.js";
import type { GradingMode, Sample } from "./run-files.js";

/** A job's line of `samples.jsonl`; a grader that fails makes it a failed one. */
export async function gradeOutcome(
  job: DrawJob,
  outcome: Outcome,
  { task, mode, grader, signal }: GradingContext,
): Promise<Sample> {
  const { key, item, name: method, sample, seed } = job;
  const identity = { key, task, item: item.id, method, sample, seed };
  if ("error" in outcome) return { ...identity, error: outcome.error };
  try {
    const verdict = await grader.grade(item, outcome.drawn.text);
    return { ...identity, gold: item.gold, ...outcome.drawn, ...verdict, gradedBy: mode };
  } catch (error) {
    signal?.throwIfAborted();
    return { ...identity, error: describeFailure(error) };
  }
}

interface GradingContext {
  task: string;
  mode: GradingMode;
  grader: Grader;
  signal: AbortSignal | undefined;
}
