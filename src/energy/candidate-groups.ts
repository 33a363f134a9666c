/** Identical candidates, taken together: rolled out once, weighing as many as they are. */
import type { ChainState, Rollout, Text } from "../chain/chain.js";
import { type Completion, isPoolSettled, scorePool } from "../rewards/reward.js";
import type { Estimate, EstimatorOptions, Scored } from "./estimator.js";
import { logSumExp } from "./log-domain.js";

export interface CandidateGroup<S> {
  state: S;
  /** The first of its candidates, by which the group goes. */
  first: number;
  members: number[];
}

/** A rollout and how much it counts: log of its importance ratio, 0 when p_ref drew it. */
export interface WeightedRollout {
  text: Rollout;
  logRatio: number;
}

/** Candidates with the same tokens, in the order of their first. */
export function groupCandidates<S extends ChainState>(
  candidates: readonly S[],
  share: boolean,
): CandidateGroup<S>[] {
  const groups = new Map<string, CandidateGroup<S>>();
  for (const [m, state] of candidates.entries()) {
    const key = share ? state.tokens.join() : String(m);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { state, first: m, members: [m] });
    else group.members.push(m);
  }
  return [...groups.values()];
}

/** What is known of a step's groups, by their first candidate; a new step starts empty. */
export class StepMemory<T> {
  #step = -1;
  #known = new Map<number, T>();

  of(step: number): Map<number, T> {
    if (step !== this.#step) {
      this.#step = step;
      this.#known = new Map();
    }
    return this.#known;
  }
}

/**
 * Rewards the completions and sums up each candidate's energy,
 * log Ê(m) = log (1/K) Σ_k ratio(m, k) · exp(r(m, k) / λ); a candidate that has ended is its own
 * completion, and its energy is exact.
 *
 * @param rolloutsOf what was drawn for a group; none for one that has ended
 * @param history completions by step; this step's are put in its place
 */
export async function sumEnergies<S extends ChainState>(
  groups: readonly CandidateGroup<S>[],
  rolloutsOf: (group: CandidateGroup<S>) => readonly WeightedRollout[],
  step: number,
  history: Completion[][],
  { rollouts, reward, lambda, prompt, confidence, signal }: EstimatorOptions,
): Promise<Estimate> {
  const weighted = groups.flatMap((group) => toCompletions(group, rolloutsOf(group), rollouts));
  // Cut off by the budget, a text has no reward.
  const finished = weighted.filter(({ completion }) => completion.finishReason !== null);
  const pool = finished.map(({ completion }) => completion);
  const earlier = history.slice(0, step).flat();
  const rewards = await scorePool(reward, { prompt, pool, earlier }, step, signal);
  history[step] = pool;
  const completions = finished.map(({ completion, logRatio, logShare }, i): Scored => {
    const earned = rewards[i] as number;
    const logWeight = Math.log(completion.samples) + logShare + logRatio + earned / lambda;
    return { ...completion, reward: earned, logRatio, logWeight };
  });
  const logEnergies: number[] = [];
  for (const { first, members } of groups) {
    const own = completions.filter(({ candidate }) => candidate === first);
    const logEnergy = logSumExp(own.map((c) => c.logWeight)) - Math.log(members.length);
    for (const m of members) logEnergies[m] = logEnergy;
  }
  const isSettled =
    confidence !== null && isPoolSettled(reward, { prompt, pool, earlier }, step, confidence);
  return { logEnergies, completions, isSettled };
}

/** A finished text drawn by itself, as a pool has it. */
export function ownCompletion(text: Text, candidate: number): Completion {
  return { ...textOf(text), candidate, rollout: null, votes: 1, samples: 1 };
}

interface WeightedCompletion {
  completion: Completion;
  logRatio: number;
  /** log of its share of the candidate's mean: -log K for a rollout. */
  logShare: number;
}

function toCompletions<S extends ChainState>(
  { state, first, members }: CandidateGroup<S>,
  drawn: readonly WeightedRollout[],
  rollouts: number,
): WeightedCompletion[] {
  const samples = members.length;
  if (state.finishReason !== null) {
    const votes = samples * rollouts;
    const completion = { ...textOf(state), candidate: first, rollout: null, votes, samples };
    return [{ completion, logRatio: 0, logShare: 0 }];
  }
  // Votes are weighted by the ratios, each candidate having as many in all.
  const total = logSumExp(drawn.map(({ logRatio }) => logRatio));
  return drawn.map(({ text, logRatio }, rollout) => {
    const share = Number.isFinite(total) ? Math.exp(logRatio - total) : 1 / drawn.length;
    const votes = samples * drawn.length * share;
    const completion = { ...textOf(text), candidate: first, rollout, votes, samples };
    return { completion, logRatio, logShare: -Math.log(rollouts) };
  });
}

/** A text without what its chain keeps with it. */
function textOf(from: Text): Text {
  const { text, tokens, logProbs, entropies, selfCertainties, finishReason } = from;
  return {
    ...{ text, tokens, logProbs, finishReason },
    ...(entropies && { entropies }),
    ...(selfCertainties && { selfCertainties }),
  };
}
