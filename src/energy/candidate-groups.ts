/** Groups identical candidates. A group is rolled out once and has the weight of all its members. */
import type { ChainState, Text } from "../chain/chain.js";
import type { Completion } from "../rewards/reward.js";
import { logSumExp } from "./log-domain.js";

export interface CandidateGroup<S> {
  state: S;
  /** The number of its first candidate, which identifies the group. */
  first: number;
  members: number[];
}

/** A rollout and the log of its importance ratio, which is 0 if p_ref drew it. */
export interface WeightedRollout {
  text: Text;
  logRatio: number;
  /** Log of the ratio of all its tokens; only for rollouts that were resampled between blocks. */
  logPath?: number;
}

/** Groups candidates with the same tokens, in the order of their first members. */
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

/** The completion of a finished text that was drawn without candidates. */
export function ownCompletion(text: Text, candidate: number): Completion {
  return { ...textOf(text), candidate, rollout: null, votes: 1, samples: 1 };
}

export interface WeightedCompletion {
  completion: Completion;
  logRatio: number;
  /** log of its share of the candidate's mean: -log K for a rollout. */
  logShare: number;
}

/** The completions that determine a group's energy: its rollouts, or the state itself if it has ended. */
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
  // Votes are weighted by the ratios; every candidate has the same number of votes in all.
  const total = logSumExp(drawn.map(({ logRatio }) => logRatio));
  return drawn.map(({ text, logRatio }, rollout) => {
    // Texts that the reference can't draw have no votes, even if a candidate has no other texts.
    const share = total === Number.NEGATIVE_INFINITY ? 0 : Math.exp(logRatio - total);
    const votes = samples * drawn.length * share;
    const completion = { ...textOf(text), candidate: first, rollout, votes, samples };
    return { completion, logRatio, logShare: -Math.log(rollouts) };
  });
}

/** A text without the additional data of its chain. */
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
