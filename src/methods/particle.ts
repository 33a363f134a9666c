import type { ChainState } from "../chain/chain.js";
import { effectiveSampleSize, logMeanExp, normalise } from "../energy/log-domain.js";
import { monteCarlo } from "../energy/monte-carlo.js";
import { resampleSystematically } from "../energy/resampling.js";
import { particleDemand } from "../planning/demands.js";
import { boundGuided } from "../planning/token-bounds.js";
import { defineMethod } from "./define-method.js";
import { divergenceOfParticles } from "./divergence.js";
import { energiesOf } from "./energies.js";
import { longest } from "./finish.js";
import type { CommonOptions } from "./options.js";
import { POTENTIAL_OPTIONS, type PotentialOptions } from "./potential-options.js";
import type { Result } from "./result.js";
import type { Run } from "./run.js";

/**
 * Sequential Monte Carlo on p_ref(x | y) · exp(r(y, x) / λ), ETS's target: `candidates` texts grow
 * block by block, each weighted by the ratio of its energy to that before the block, and are
 * resampled when their effective sample size falls below half their number (Zhao et al. 2024).
 *
 * The product of the weights is exp(r / λ) whatever the energies in between, so that Ẑ, the product
 * of their means, is an unbiased estimate of E[exp(r / λ)], and the text approaches the target as
 * 1 / `candidates`. With a `potential` its ψ stands for the energies and no rollouts are drawn; the
 * weights ψ(x_s) / ψ(x_{s-1}), and exp(r / λ) / ψ at the end, multiply to the same.
 *
 * @throws as `ets` does
 */
export const particle = defineMethod<Record<never, never>, CommonOptions & PotentialOptions>({
  name: "particle",
  summary: "sequential Monte Carlo: texts grow by blocks, and are resampled by their energies",
  own: {},
  guidance: ["candidates", "rollouts", "steps", "blockTokens", "lambda", "reward", "finish"],
  potential: POTENTIAL_OPTIONS,
  demand: particleDemand,
  bounds: boundGuided,
  reports: { continues: false, energies: "log Ê", shows: ["ess"] },
  divergence: divergenceOfParticles,
  run: grow,
});

async function grow(run: Run): Promise<Result> {
  const { chain } = run;
  const { candidates: N, rollouts: K } = run.settings.guidance;

  const start = await chain.start();
  let states: ChainState[] = Array.from({ length: N }, () => start);
  let logEnergies = states.map(() => 0); // before the first block all energies are alike
  let logWeights = states.map(() => 0);
  let logMeans = 0; // of the weights that resampling has evened out
  for (let step = 0; ; step++) {
    const grown = await advance(run, states, step);
    const evidence = { step, candidates: grown, earlier: run.earlier };
    const estimate = run.isOutOfBudget
      ? null
      : await energiesOf(run, monteCarlo(chain, K), evidence);
    if (estimate === null || run.isOutOfBudget) return await run.finishEarly(longest(grown));
    states = grown;
    // w(i) = w(i) · Ê_t(i) / Ê_t-1(i)
    logWeights = logWeights.map(
      (w, i) => w + (estimate.logEnergies[i] as number) - (logEnergies[i] as number),
    );
    logEnergies = estimate.logEnergies;
    const weights = normalise(logWeights);
    const chosen = run.choose(weights, step, "candidate");
    const logNormaliser = logMeans + logMeanExp(logWeights);
    await run.record(states, estimate, weights, chosen, { logNormaliser });
    if (states.every(({ finishReason }) => finishReason !== null)) {
      return await run.finish(states[chosen] as ChainState, { logNormaliser });
    }
    if (effectiveSampleSize(weights) >= N / 2) continue;
    const ancestors = resampleSystematically(weights, run.uniforms(step, "resample", 1)[0] ?? 0);
    const kept = ancestors.map((i) => states[i] as ChainState);
    await chain.release(states.filter((state) => !kept.includes(state)));
    states = kept;
    logEnergies = ancestors.map((i) => logEnergies[i] as number);
    logMeans = logNormaliser;
    logWeights = states.map(() => 0);
  }
}

/** Each unfinished text one block further. */
async function advance({ chain }: Run, states: readonly ChainState[], step: number) {
  const open = states.filter(({ finishReason }) => finishReason === null);
  const grown = await chain.advanceEach(open, step);
  await chain.release(open);
  return states.map((s) => (s.finishReason === null ? (grown.shift() as ChainState) : s));
}
