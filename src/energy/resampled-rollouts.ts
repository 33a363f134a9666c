/**
 * Sequential Monte Carlo inside the rollouts of ETS-IS. The K rollouts of a candidate are particles of the
 * proposal. They grow by blocks of γ tokens, are weighted by w(k) = p_ref / p_proposal of the block, and
 * are resampled before the next block. With exp(r / λ) in the last block's weights,
 *
 *   Ê(m) = Π_blocks (1/K) Σ_k w(k)
 *
 * is unbiased for every K, like the estimate with one ratio per whole rollout. But no ratio covers more
 * than γ tokens: rollouts that the reference would hardly draw are dropped early, and likely ones are
 * continued more often.
 */
import type { ChainState, PrefixChain, PrefixProposal } from "../chain/chain.js";
import { logDrawnOf, logTargetOf, unmeasured } from "../chain/token-values.js";
import type { TokenMetric } from "../engine/sequences.js";
import type { WeightedRollout } from "./candidate-groups.js";
import { diagnose } from "./diagnostics.js";
import type { RolloutSource } from "./estimate.js";
import { logMeanExp, normalise } from "./log-domain.js";
import { resampleSystematically } from "./resampling.js";

export interface ResamplingOptions {
  /** K, for each candidate; at least 2. */
  rollouts: number;
  /** γ, the number of tokens between two resamplings. */
  resampleEvery: number;
  /** The number of candidates whose rollouts are drawn together. */
  atOnce: number;
  /** The metrics of texts that the reward needs. */
  metrics: readonly TokenMetric[];
  /** A uniform number on [0, 1), different for each combination of the arguments. */
  uniform(step: number, candidate: number, block: number): number;
}

/** A rollout that is being drawn, as both models hold it. */
interface Particle<S extends ChainState> {
  readonly ofReference: S;
  readonly ofProposal: ChainState;
  /** log p_ref / p_proposal since the last resampling. */
  readonly logWeight: number;
  /** log p_ref / p_proposal of all its tokens. */
  readonly logPath: number;
}

/** The rollouts of a candidate. Their indices determine their random numbers. */
interface Swarm<S extends ChainState> {
  readonly candidate: number;
  readonly particles: readonly Particle<S>[];
  /** Log of the product of the blocks' mean weights so far. */
  readonly logMeans: number;
}

/** The two models that draw and weight rollouts. */
interface Models<S extends ChainState> {
  chain: PrefixChain<S>;
  proposal: PrefixProposal<S>;
}

/** Draws resampled rollouts. The ratio is that of the last block times the mean weights of earlier blocks. */
export function resampledRollouts(
  chain: PrefixChain,
  proposal: PrefixProposal,
  options: ResamplingOptions,
): RolloutSource {
  const models = { chain, proposal };
  return {
    async draw(states, step, numbers) {
      const begun = await proposal.begin(states, step);
      const swarms = states.map((ofReference, i): Swarm<ChainState> => {
        const ofProposal = begun[i] as ChainState;
        const particle = { ofReference, ofProposal, logWeight: 0, logPath: 0 };
        const particles = Array.from({ length: options.rollouts }, () => particle);
        return { candidate: numbers[i] as number, particles, logMeans: 0 };
      });
      const drawn: WeightedRollout[][] = [];
      for (let first = 0; first < swarms.length; first += options.atOnce) {
        const some = swarms.slice(first, first + options.atOnce);
        drawn.push(...(await drawSwarms(models, some, step, options)));
      }
      return drawn;
    },
    weigh: (ratios) => ({
      logWeights: ratios.map(({ logRatio }) => logRatio),
      importance: diagnose(ratios),
    }),
  };
}

/** Draws the particles of all swarms together until all of them have ended. */
async function drawSwarms<S extends ChainState>(
  models: Models<S>,
  begun: readonly Swarm<S>[],
  step: number,
  { resampleEvery, metrics, uniform }: ResamplingOptions,
): Promise<WeightedRollout[][]> {
  const { chain, proposal } = models;
  let swarms = begun;
  for (let block = 0; swarms.some(isOpen); block++) {
    const grown = await growSwarms(models, swarms, step, resampleEvery);
    if (proposal.isOutOfBudget || chain.isOutOfBudget) return cutOff(swarms, metrics);
    const next = grown.map((swarm) =>
      isOpen(swarm) ? resample(swarm, uniform(step, swarm.candidate, block)) : swarm,
    );
    // The texts from which all rollouts began are not released here, because they belong to the caller.
    const held = block === 0 ? grown : [...swarms, ...grown];
    await release(models, held, next);
    swarms = next;
  }
  return swarms.map(({ particles, logMeans }) =>
    particles.map(({ ofReference, ofProposal, logWeight, logPath }) => {
      const { finishReason } = ofProposal; // `answered` if the state already had its answer
      return { text: { ...ofReference, finishReason }, logRatio: logMeans + logWeight, logPath };
    }),
  );
}

/** Grows each unfinished particle by one block and updates its weight. */
async function growSwarms<S extends ChainState>(
  { chain, proposal }: Models<S>,
  swarms: readonly Swarm<S>[],
  step: number,
  tokens: number,
): Promise<Swarm<S>[]> {
  const growing = swarms.flatMap(({ candidate, particles }) =>
    [...particles.entries()]
      .filter(([, particle]) => isUnfinished(particle))
      .map(([rollout, particle]) => ({ particle, name: { step, candidate, rollout } })),
  );
  const drawn = await proposal.grow(
    growing.map(({ particle }) => particle.ofProposal),
    tokens,
    growing.map(({ name }) => name),
  );
  if (proposal.isOutOfBudget) return [...swarms];
  const followed = await chain.follow(
    growing.map(({ particle }) => particle.ofReference),
    drawn,
  );
  const { conditions } = chain;
  const advance = (particle: Particle<S>): Particle<S> => {
    const ofReference = followed.shift() as S;
    const ofProposal = drawn.shift() as ChainState;
    const from = particle.ofProposal.tokens.length;
    const logRatio = logTargetOf(ofReference, conditions, from) - logDrawnOf(ofProposal, from);
    const [logWeight, logPath] = [particle.logWeight + logRatio, particle.logPath + logRatio];
    return { ofReference, ofProposal, logWeight, logPath };
  };
  return swarms.map((swarm) => ({
    ...swarm,
    particles: swarm.particles.map((p) => (isUnfinished(p) ? advance(p) : p)),
  }));
}

/** Draws the particles of a swarm again in proportion to their weights, which then become equal. */
function resample<S extends ChainState>(swarm: Swarm<S>, uniform: number): Swarm<S> {
  const logWeights = swarm.particles.map(({ logWeight }) => logWeight);
  const logMean = logMeanExp(logWeights);
  // The reference can draw none of them, so all have weight 0 and resampling is useless.
  if (logMean === Number.NEGATIVE_INFINITY) return swarm;
  const particles = resampleSystematically(normalise(logWeights), uniform).map((ancestor) => {
    return { ...(swarm.particles[ancestor] as Particle<S>), logWeight: 0 };
  });
  return { ...swarm, particles, logMeans: swarm.logMeans + logMean };
}

/** Frees the texts of `held` that no particle of `kept` continues. */
async function release<S extends ChainState>(
  { chain, proposal }: Models<S>,
  held: readonly Swarm<S>[],
  kept: readonly Swarm<S>[],
): Promise<void> {
  const textsOf = (swarms: readonly Swarm<S>[]) => swarms.flatMap(({ particles }) => particles);
  const used = new Set(
    textsOf(kept).flatMap(
      ({ ofReference, ofProposal }) => [ofReference, ofProposal] as ChainState[],
    ),
  );
  const unused = textsOf(held);
  await chain.release(unused.map((p) => p.ofReference).filter((text) => !used.has(text)));
  await proposal.release(unused.map((p) => p.ofProposal).filter((text) => !used.has(text)));
}

/** The rollouts when the budget is spent; their weights are unknown. */
function cutOff<S extends ChainState>(
  swarms: readonly Swarm<S>[],
  metrics: readonly TokenMetric[],
): WeightedRollout[][] {
  return swarms.map(({ particles }) =>
    particles.map(({ ofReference, ofProposal }) => {
      const { finishReason } = ofProposal;
      return { text: unmeasured({ ...ofReference, finishReason }, metrics), logRatio: 0 };
    }),
  );
}

function isUnfinished({ ofProposal }: Particle<ChainState>): boolean {
  return ofProposal.finishReason === null;
}

function isOpen({ particles }: Swarm<ChainState>): boolean {
  return particles.some(isUnfinished);
}
