import type { ChainState } from "../chain/chain.js";
import { type Estimate, estimateEnergies, type Scored } from "../energy/estimate.js";
import { monteCarlo } from "../energy/monte-carlo.js";
import { drawInRounds } from "./adaptive.js";
import type { Result } from "./result.js";
import type { Run } from "./run/run.js";

/**
 * A run of one step: draws whole texts, rewards them, and returns the text whose index `pick` returns.
 * Equal texts count separately.
 */
export async function drawComplete(
  run: Run,
  pick: (texts: readonly Scored[]) => number,
): Promise<Result> {
  const { chain, settings } = run;
  const start = await chain.start();
  const options = { ...run.estimateOptions, rollouts: 1, shareDuplicates: false };
  const rewardEach = (candidates: readonly ChainState[], known: Estimate | null = null) =>
    estimateEnergies(monteCarlo(chain, 1), { step: 0, candidates, earlier: [], known }, options);
  const { candidates, estimate: whole } = await drawInRounds({
    most: settings.guidance.candidates,
    round: run.round,
    advance: (count, first) => chain.advance(start, count, 0, first),
    energies: rewardEach,
    isOutOfBudget: () => run.isOutOfBudget,
  });
  const finished = candidates.filter(({ finishReason }) => {
    return finishReason !== null && finishReason !== "dead";
  });
  if (finished.length === 0) return run.finishEarly(candidates[0] as ChainState);
  // The budget may have cut some texts off, and others may be dead.
  const isWhole = whole !== null && !run.isOutOfBudget && finished.length === candidates.length;
  const estimate = isWhole ? whole : await rewardEach(finished);
  const chosen = pick(estimate.completions);
  const weights = finished.map((_, i) => (i === chosen ? 1 : 0));
  await run.record(finished, estimate, weights, chosen);
  return run.finish(finished[chosen] as ChainState);
}
