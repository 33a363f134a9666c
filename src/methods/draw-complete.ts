import type { Scored } from "../energy/estimator.js";
import { monteCarlo } from "../energy/monte-carlo.js";
import { drawStep } from "./draw-step.js";
import type { Result } from "./result.js";
import type { Run } from "./run.js";

/**
 * The methods of one step: draws whole texts, rewards them, and takes the one that `pick` points
 * at. Each text counts by itself, also one that repeats another.
 */
export async function drawComplete(
  run: Run,
  pick: (texts: readonly Scored[]) => number,
): Promise<Result> {
  const { chain } = run;
  const rewardEach = monteCarlo({
    ...run.estimatorOptions,
    rollouts: 1,
    shareDuplicates: false,
  });
  const { candidates, estimate: whole } = await drawStep(run, await chain.start(), 0, rewardEach);
  const finished = candidates.filter(({ finishReason }) => finishReason !== null);
  if (finished.length === 0) return run.finishEarly(candidates[0] as (typeof candidates)[number]);
  // The budget may have cut some texts off.
  const estimate =
    whole !== null && !run.isOutOfBudget ? whole : await rewardEach(chain, finished, 0);
  const chosen = pick(estimate.completions);
  const weights = finished.map((_, i) => (i === chosen ? 1 : 0));
  await run.record(finished, estimate, weights, chosen);
  return run.finish(finished[chosen] as (typeof finished)[number]);
}
