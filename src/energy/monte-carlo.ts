import type { ChainState } from "../chain/chain.js";
import { type Completion, type Reward, scorePool } from "../rewards/reward.js";
import type { EnergyEstimator, Scored } from "./estimator.js";
import { logMeanExp } from "./log-domain.js";

export interface MonteCarloOptions {
  /** K, for each candidate. */
  rollouts: number;
  reward: Reward;
  lambda: number;
  /** The prompt's text, for the reward. */
  prompt: string;
  /** Rolls identical candidates out once. */
  shareDuplicates: boolean;
}

/**
 * Plain Monte Carlo (METHOD §2, Algorithm 1): Ê(m) = (1/K) Σ_k exp(r(x_0(m, k)) / λ), unbiased for
 * every K. A candidate that has ended is its own and only rollout, so its energy is exact.
 */
export function monteCarlo(options: MonteCarloOptions): EnergyEstimator {
  const { rollouts, reward, lambda, prompt, shareDuplicates } = options;
  const earlier: Completion[] = [];

  return async (chain, candidates, step) => {
    const groups = groupCandidates(candidates, shareDuplicates);
    const open = groups.filter(({ state }) => state.finishReason === null);
    const drawn = await chain.complete(
      open.map(({ state }) => state),
      rollouts,
      step,
      open.map(({ first }) => first),
    );
    const pool = groups.flatMap((group): Completion[] => {
      const { state, first, size } = group;
      if (state.finishReason !== null) {
        const { text, tokens, logProbs, finishReason } = state;
        const itself = { text, tokens, logProbs, finishReason };
        return [
          { ...itself, candidate: first, rollout: null, votes: size * rollouts, samples: size },
        ];
      }
      const texts = drawn[open.indexOf(group)] ?? [];
      return texts.map(({ text, tokens, logProbs, finishReason }, rollout) => ({
        ...{ text, tokens, logProbs, finishReason },
        ...{ candidate: first, rollout, votes: size, samples: size },
      }));
    });
    // Cut off by the budget, a text has no reward.
    const finished = pool.filter(({ finishReason }) => finishReason !== null);
    const rewards = await scorePool(reward, { prompt, pool: finished, earlier }, step);
    earlier.push(...finished);
    const completions = finished.map((c, i): Scored => ({ ...c, reward: rewards[i] as number }));
    const logEnergyOf = new Map(
      groups.map(({ first }) => {
        const own = completions.filter(({ candidate }) => candidate === first);
        return [first, logMeanExp(own.map((c) => c.reward / lambda))];
      }),
    );
    const firstOf = candidates.map((_, m) => groups.find((g) => g.members.includes(m))?.first ?? m);
    return { logEnergies: firstOf.map((first) => logEnergyOf.get(first) as number), completions };
  };
}

interface Group<S> {
  state: S;
  first: number;
  size: number;
  members: number[];
}

/** Candidates with the same tokens, in the order of their first. */
function groupCandidates<S extends ChainState>(
  candidates: readonly S[],
  share: boolean,
): Group<S>[] {
  const groups = new Map<string, Group<S>>();
  for (const [m, state] of candidates.entries()) {
    const key = share ? state.tokens.join() : String(m);
    const group = groups.get(key);
    if (group === undefined) {
      groups.set(key, { state, first: m, size: 1, members: [m] });
    } else {
      group.size += 1;
      group.members.push(m);
    }
  }
  return [...groups.values()];
}
