import type { ChainState } from "../chain/chain.js";
import { estimateEnergies } from "../energy/estimate.js";
import { effectiveSampleSize, logMeanExp, normalise, saturated } from "../energy/log-domain.js";
import { monteCarlo } from "../energy/monte-carlo.js";
import { particleDemand } from "../planning/demands.js";
import { boundGuided } from "../planning/token-bounds.js";
import { defineMethod } from "./define-method.js";
import { longest } from "./finish.js";
import type { Result } from "./result.js";
import type { Run } from "./run.js";

/**
 * Sequential Monte Carlo on p_ref(x | y) · exp(r(y, x) / λ), ETS's target: `candidates` texts grow
 * block by block, each weighted by the ratio of its energy to that before the block, and are
 * resampled when their effective sample size falls below half their number (Zhao et al. 2024).
 *
 * The product of the weights is exp(r / λ) whatever the energies in between, so that Ẑ, the product
 * of their means, is an unbiased estimate of E[exp(r / λ)], and the text approaches the target as
 * 1 / `candidates`.
 *
 * @throws as `ets` does
 */
export const particle = defineMethod({
  name: "particle",
  summary: "sequential Monte Carlo: texts grow by blocks, and are resampled by their energies",
  own: {},
  guidance: ["candidates", "rollouts", "steps", "blockTokens", "lambda", "reward"],
  demand: particleDemand,
  bounds: boundGuided,
  reports: { continues: false, energies: "log Ê", shows: ["ess"] },
  run: grow,
});

async function grow(run: Run): Promise<Result> {
  const { chain } = run;
  const { guidance, energy } = run.settings;
  const { candidates: N, rollouts: K } = guidance;

  const start = await chain.start();
  let states: ChainState[] = Array.from({ length: N }, () => start);
  // Of the energies at the last resampling, relative as the estimates are; at first all are alike.
  let anchors = states.map(() => 0);
  let logMeans = 0; // of the weights that resampling has evened out
  for (let step = 0; ; step++) {
    const grown = await advance(run, states, step);
    const evidence = { step, candidates: grown, earlier: run.earlier };
    const estimate = run.isOutOfBudget
      ? null
      : await estimateEnergies(monteCarlo(chain, K), evidence, run.estimateOptions);
    if (estimate === null || run.isOutOfBudget) return await run.finishEarly(longest(grown));
    states = grown;
    // w(i) = Ê_t(i) / Ê_s(i) since the last resampling, s, but for a factor that all share: products
    // of the ratios in between would lose small ones beside large ones.
    const { relativeLogEnergies, peak } = estimate;
    const logWeights = relativeLogEnergies.map((log, i) => log - (anchors[i] as number));
    const weights = normalise(logWeights);
    const chosen = run.choose(weights, step, "candidate");
    // The shared factors, exp((peak_t - peak_s) / λ), multiply to exp(peak / λ).
    const logMean = logMeans + logMeanExp(logWeights);
    const logNormaliser = saturated(peak / energy.lambda) + logMean;
    await run.record(states, estimate, weights, chosen, { logNormaliser });
    if (states.every(({ finishReason }) => finishReason !== null)) {
      return await run.finish(states[chosen] as ChainState, { logNormaliser });
    }
    if (effectiveSampleSize(weights) >= N / 2) continue;
    const ancestors = resampleSystematically(weights, run.uniforms(step, "resample", 1)[0] ?? 0);
    const kept = ancestors.map((i) => states[i] as ChainState);
    await chain.release(states.filter((state) => !kept.includes(state)));
    states = kept;
    anchors = ancestors.map((i) => relativeLogEnergies[i] as number);
    logMeans = logMean;
  }
}

/** Each unfinished text one block further. */
async function advance({ chain }: Run, states: readonly ChainState[], step: number) {
  const open = states.filter(({ finishReason }) => finishReason === null);
  const grown = await chain.advanceEach(open, step);
  await chain.release(open);
  return states.map((s) => (s.finishReason === null ? (grown.shift() as ChainState) : s));
}

/**
 * N indices of which i comes up ⌊N w(i)⌋ or ⌈N w(i)⌉ times, N w(i) on average (Kitagawa 1996).
 *
 * @param weights normalised
 * @param uniform on [0, 1)
 */
export function resampleSystematically(weights: readonly number[], uniform: number): number[] {
  const count = weights.length;
  let index = 0;
  let below = weights[0] as number;
  return weights.map((_, i) => {
    const point = (i + uniform) / count;
    while (point >= below && index < count - 1) below += weights[++index] as number;
    return index;
  });
}
