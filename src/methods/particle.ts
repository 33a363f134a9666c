import type { Chain, ChainState, RedrawnState } from "../chain/chain.js";
import { effectiveSampleSize, logMeanExp, saturated } from "../energy/log-domain.js";
import { monteCarlo } from "../energy/monte-carlo.js";
import { resampleSystematically } from "../energy/resampling.js";
import { LlamaEtsError } from "../engine/errors.js";
import { particleDemand } from "../planning/demands.js";
import { boundGuided } from "../planning/token-bounds.js";
import { NO_REWARD } from "../rewards/reward.js";
import { defineMethod, type OptionsOf } from "./define-method.js";
import { divergenceOfParticles } from "./divergence.js";
import { choiceWeights, energiesOf } from "./energies.js";
import { longest } from "./finish.js";
import type { ValuesOf } from "./options/option.js";
import { POTENTIAL_OPTIONS, type PotentialOptions } from "./options/potential.js";
import type { Resolved } from "./options/settings.js";
import type { Result } from "./result.js";
import type { Run } from "./run/run.js";
import { alphaOption, checkSharpened } from "./sharpened.js";

const OWN = {
  /** α of the target p_ref^α · exp(r / λ), from 1 to 100. Default 1. */
  alpha: alphaOption(1),
};

type Own = ValuesOf<typeof OWN>;

/**
 * Sequential Monte Carlo on p_ref(x | y)^α · exp(r(y, x) / λ); with α = 1 this is the target of ETS.
 * `candidates` texts grow block by block. Each is weighted by the ratio of its energies after and before
 * the block. The texts are resampled when their effective sample size falls below half their number (Zhao
 * et al. 2024).
 *
 * With α > 1 (power-SMC, arXiv 2602.10273) tokens are drawn from p_ref(· | text so far)^α, normalized, and
 * the normalizers Σ_v p_ref(v | text so far)^α are further weights. p_ref is the policy with its
 * temperature and truncation. Without a reward the target is then p_ref^α, and no rollouts are drawn. The
 * same holds for a constraint that conditions p_ref; its masses are then the weights.
 *
 * The product of the weights is p_ref^α / q · exp(r / λ), where q is the distribution drawn from, whatever
 * the energies in between are. So Ẑ, the product of the mean weights, is an unbiased estimate of
 * Σ_x p_ref(x)^α exp(r(x) / λ), and with α = 1 of E[exp(r / λ)]. The text's distribution approaches the
 * target as 1 / `candidates`.
 * With a `potential`, its ψ replaces the energies and no rollouts are drawn. The product of the weights
 * ψ(x_s) / ψ(x_{s-1}), and exp(r / λ) / ψ at the end, is the same.
 *
 * @example
 * const birds = ({ text }) => (text.match(/owl|crow|swan/g) ?? []).length / 3;
 * const { text, best } = await particle(model, "Tell a story of birds.", { potential: birds });
 *
 * @throws as `ets` does
 */
export const particle = defineMethod<typeof OWN, OptionsOf<typeof OWN> & PotentialOptions>({
  name: "particle",
  summary: "sequential Monte Carlo: texts grow by blocks, and are resampled by their energies",
  own: OWN,
  potential: POTENTIAL_OPTIONS,
  guidance: [
    "candidates",
    "rollouts",
    "steps",
    "blockTokens",
    "block",
    "lambda",
    "reward",
    "finish",
  ],
  defaultReward: ({ alpha }, isConditioned) => (alpha === 1 && !isConditioned ? null : NO_REWARD),
  check: checkTarget,
  demand: particleDemand,
  bounds: boundGuided,
  weighs: true,
  reports: { continues: false, energies: "log Ê", shows: ["ess"] },
  // The weights don't contain the divergence of p_ref^α from p_ref.
  divergence: (steps, diagnostics, { alpha }) =>
    alpha === 1 ? divergenceOfParticles(steps, diagnostics) : null,
  run: grow,
});

function checkTarget(resolved: Resolved<Own>): void {
  checkSharpened(resolved);
  if (resolved.denoising === null || resolved.own.alpha === 1) return;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    "`alpha` needs an autoregressive model: the p(x) that it raises to a power is, for a diffusion model, a sum over all ways to unmask x",
    { fix: "alpha: 1" },
  );
}

async function grow(run: Run<Own>): Promise<Result> {
  const { chain } = run;
  const { guidance, energy, own } = run.settings;
  const { candidates: N, rollouts: K } = guidance;

  const start = await chain.start();
  let states: Particle[] = Array.from({ length: N }, () => start);
  // Logs of the weights at the last resampling, relative like the estimates. At first all are equal.
  let anchors = states.map(() => 0);
  let logMeans = 0; // of the weights that resampling has evened out
  for (let step = 0; ; step++) {
    const grown = await advance(run, states, step);
    const evidence = { step, candidates: grown, earlier: run.earlier };
    const estimate = run.isOutOfBudget
      ? null
      : await energiesOf(run, monteCarlo(chain, K), evidence);
    if (estimate === null || run.isOutOfBudget) return await run.finishEarly(longest(grown));
    states = grown;
    // w(i) = p_ref^α / q · Ê_t(i) since the last resampling, up to a common factor. A product of the
    // energies' ratios of the steps in between would lose small numbers next to large ones.
    const { peak } = estimate;
    const energies = livingEnergies(states, estimate.relativeLogEnergies);
    const logTargets = states.map((state, i) => {
      return (energies[i] as number) + logPowerWeight(state, own.alpha, chain.conditions);
    });
    const logWeights = logTargets.map((log, i) => log - (anchors[i] as number));
    const weights = choiceWeights(states, logWeights);
    const chosen = run.choose(weights, step, "candidate");
    // The shared factors, exp((peak_t - peak_s) / λ), multiply to exp(peak / λ).
    const logMean = logMeans + logMeanExp(logWeights);
    const logNormaliser = saturated(peak / energy.lambda) + logMean;
    await run.record(states, estimate, weights, chosen, { logNormaliser });
    run.warnIfUnguided(states);
    if (states.every(({ finishReason }) => finishReason !== null)) {
      return await run.finish(states[chosen] as ChainState, { logNormaliser });
    }
    if (effectiveSampleSize(weights) >= N / 2) continue;
    const ancestors = resampleSystematically(weights, run.uniforms(step, "resample", 1)[0] ?? 0);
    const kept = ancestors.map((i) => states[i] as ChainState);
    await chain.release(states.filter((state) => !kept.includes(state)));
    states = kept;
    anchors = ancestors.map((i) => logTargets[i] as number);
    logMeans = logMean;
  }
}

/**
 * log Ê of each text, which must be above -Infinity for unfinished texts. If all rollouts of a text are
 * dead, or have a reward of -1e308, the text itself may still get weight later, and a weight of 0 would
 * make Ẑ too small. Any other value is correct, because the next weight is divided by it. It is half of the
 * smallest energy of another text.
 */
function livingEnergies(states: readonly ChainState[], logEnergies: readonly number[]): number[] {
  const known = logEnergies.filter((log) => log !== Number.NEGATIVE_INFINITY);
  const least = known.length === 0 ? 0 : Math.min(...known) - Math.LN2;
  return logEnergies.map((log, i) =>
    states[i]?.finishReason === null ? Math.max(log, least) : log,
  );
}

/** A text. If α isn't 1, it has the log-probabilities under the distribution that it was drawn from. */
type Particle = ChainState & Partial<RedrawnState>;

/** Grows each unfinished text by one block. */
async function advance(
  { chain, settings }: Run<Own>,
  states: readonly Particle[],
  step: number,
): Promise<Particle[]> {
  const { alpha } = settings.own;
  const open = states.filter(({ finishReason }) => finishReason === null);
  const grown: Particle[] =
    alpha === 1 || chain.kind !== "prefix"
      ? await chain.advanceEach(open, step)
      : await chain.advanceSharpened(open, step, alpha);
  await chain.release(open);
  const merged = await mergeEqual(chain, grown);
  return states.map((s) => (s.finishReason === null ? (merged.shift() as Particle) : s));
}

/**
 * Merges unfinished texts with the same tokens into one state, so that their continuations share decodes.
 * This is exact, because a text's weight and its continuations depend only on its tokens.
 */
async function mergeEqual(chain: Chain, texts: readonly Particle[]): Promise<Particle[]> {
  if (chain.kind !== "prefix") return [...texts]; // the states of diffusion models share their passes
  const firsts = new Map<string, Particle>();
  const merged = texts.map((text) => {
    if (text.finishReason !== null) return text;
    const key = text.tokens.join();
    const first = firsts.get(key) ?? text;
    firsts.set(key, first);
    return first;
  });
  await chain.release(texts.filter((text, i) => merged[i] !== text));
  return merged;
}

/** log of p_ref(text)^α / q(text), the product of its tokens' normalisers Σ_v p_ref(v | …)^α. */
function logPowerWeight(state: Particle, alpha: number, conditions: boolean): number {
  const { logProbs, logMasses = [], drawnLogProbs } = state;
  if (drawnLogProbs === undefined) return 0;
  // The masses of a conditioned p_ref are among the energies, and α = 1 of them are enough here.
  const ownMass = conditions ? -1 : -alpha;
  return logProbs.reduce((sum, log, i) => {
    return sum + alpha * log + ownMass * (logMasses[i] ?? 0) - (drawnLogProbs[i] as number);
  }, 0);
}
