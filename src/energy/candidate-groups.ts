/** Identical candidates, taken together: rolled out once, weighing as many as they are. */
import type { ChainState, Text } from "../chain/chain.js";
import type { Completion } from "../rewards/reward.js";
import { logSumExp } from "./log-domain.js";

export interface CandidateGroup<S> {
  state: S;
  /** The first of its candidates, by which the group goes. */
  first: number;
  members: number[];
}

/** A rollout and how much it counts: log of its importance ratio, 0 when p_ref drew it. */
export interface WeightedRollout {
  text: Text;
  logRatio: number;
  /** Log of the ratio of all that a rollout drew, where it was resampled on its way. */
  logPath?: number;
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

/** A finished text drawn by itself, as a pool has it. */
export function ownCompletion(text: Text, candidate: number): Completion {
  return { ...textOf(text), candidate, rollout: null, votes: 1, samples: 1 };
}

export interface WeightedCompletion {
  completion: Completion;
  logRatio: number;
  /** log of its share of the candidate's mean: -log K for a rollout. */
  logShare: number;
}

/** What a group's energy rests on: its rollouts, or itself once it has ended. */
export function toCompletions<S extends ChainState>(
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
    // Texts that the reference can't draw have no vote, also where a candidate has no others.
    const share = total === Number.NEGATIVE_INFINITY ? 0 : Math.exp(logRatio - total);
    const votes = samples * drawn.length * share;
    const completion = { ...textOf(text), candidate: first, rollout, votes, samples };
    return { completion, logRatio, logShare: -Math.log(rollouts) };
  });
}

/** A text without what its chain keeps with it. */
export function textOf(from: Text): Text {
  const { text, thoughts, tokens, logProbs, logMasses, entropies, selfCertainties, finishReason } =
    from;
  return {
    text,
    tokens,
    logProbs,
    finishReason,
    ...(thoughts && { thoughts }),
    ...(logMasses && { logMasses }),
    ...(entropies && { entropies }),
    ...(selfCertainties && { selfCertainties }),
  };
}
