/**
 * Estimates of the divergence KL(law of the text || p_ref) that a run has spent for its reward, in
 * nats, from the weights of what it drew.
 */
import type { MethodDiagnostics, Step } from "./step.js";

/**
 * Σ w log (M w) of M weights: the divergence of a choice by weight from one without. It is at most
 * log M, so that few candidates show less than was meant.
 *
 * @param weights normalised
 */
export function divergenceOfChoice(weights: readonly number[]): number {
  const count = weights.length;
  const sum = weights.reduce((s, w) => (w > 0 ? s + w * Math.log(count * w) : s), 0);
  return Math.max(0, sum); // rounding may leave less
}

/** A run of choices one after another, as ETS makes them: they add up. */
export function divergenceOfChoices(steps: readonly Step[]): number | null {
  if (steps.length === 0) return null;
  return steps.reduce((sum, { weights }) => sum + divergenceOfChoice(weights), 0);
}

/** Σ w log Ê - log Ẑ over the last weights of particles, whose log Ê is r / λ once all have ended. */
export function divergenceOfParticles(
  steps: readonly Step[],
  { logNormaliser }: MethodDiagnostics,
): number | null {
  const last = steps.at(-1);
  if (last === undefined || logNormaliser === undefined) return null;
  const mean = last.weights.reduce(
    (sum, w, i) => (w > 0 ? sum + w * ((last.logEnergies[i] as number) - logNormaliser) : sum),
    0,
  );
  return Math.max(0, mean);
}

/**
 * The best of N texts: log N - (N - 1) / N, a bound that holds whatever the reward is (Beirami et al.,
 * arXiv 2401.01879), or log (N / k) where k of them earn as much as the best.
 */
export function divergenceOfBest(steps: readonly Step[]): number | null {
  const texts = steps.flatMap(({ candidates }) => candidates.flatMap((c) => c.completions));
  const count = texts.length;
  if (count === 0) return null;
  const rewards = texts.map(({ reward }) => reward);
  const most = Math.max(...rewards);
  const best = rewards.filter((reward) => reward === most).length;
  return Math.min(Math.log(count) - (count - 1) / count, Math.log(count / best));
}
