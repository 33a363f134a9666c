/**
 * Estimates the divergence KL(distribution of the text || p_ref) of a run, in nats, from the weights of its
 * texts. It is the price of the reward.
 */
import type { MethodDiagnostics, Step } from "./step.js";

/**
 * Σ w log (M w) of M weights: the divergence of a choice by weights from a uniform choice. It is at most
 * log M, so with few candidates it is too small.
 *
 * @param weights normalized
 */
export function divergenceOfChoice(weights: readonly number[]): number {
  const count = weights.length;
  const sum = weights.reduce((s, w) => (w > 0 ? s + w * Math.log(count * w) : s), 0);
  return Math.max(0, sum); // rounding may make the sum negative
}

/** The divergence of a run that makes one choice per step, as ETS does: the divergences add up. */
export function divergenceOfChoices(steps: readonly Step[]): number | null {
  if (steps.length === 0) return null;
  return steps.reduce((sum, { weights }) => sum + divergenceOfChoice(weights), 0);
}

/** The divergence of particles: Σ w log Ê - log Ẑ with their last weights, for which log Ê is r / λ. */
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
 * The divergence of the best of N texts: log N - (N - 1) / N, an upper bound for any reward (Beirami et
 * al., arXiv 2401.01879), or log (N / k) if k texts have the best reward.
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
