import { checkBoolean, checkInteger, checkKeys, checkOneOf } from "../engine/check.js";
import {
  type AnswerOptions,
  answerOf,
  checkAnswerOptions,
  endingWithAnswer,
  extractAnswer,
} from "./answer.js";
import type { Completion, Reward, RewardInput } from "./reward.js";
import { leadProbability } from "./settled-vote.js";

export interface SelfConsistencyOptions extends AnswerOptions {
  /** Whose votes count: this guidance step's completions (default), or all steps' so far. */
  pool?: "step" | "all";
  /** The reward of a majority of one draw, 0 (default) or 1. */
  singleton?: 0 | 1;
  /** Judges each candidate by the others' votes, so that none elects itself. Default false. */
  leaveCandidateOut?: boolean;
}

/**
 * Agreement with the majority: 1 for completions that give the most frequent answer, else 0. Ties
 * go to the answer seen first; a text without an answer has no vote and earns 0.
 */
export function selfConsistency(options: SelfConsistencyOptions = {}): Reward {
  checkKeys("selfConsistency", options, [
    "extract",
    "answerEnd",
    "pool",
    "singleton",
    "leaveCandidateOut",
  ]);
  const { extract = extractAnswer, answerEnd, pool: whose = "step" } = options;
  const { singleton = 0, leaveCandidateOut = false } = options;
  checkAnswerOptions(options);
  checkOneOf("pool", whose, ["step", "all"]);
  checkInteger("singleton", singleton, 0, 1);
  checkBoolean("leaveCandidateOut", leaveCandidateOut);

  const ballotsOf = ({ pool, earlier }: RewardInput) => {
    const voters = whose === "all" ? [...earlier, ...pool] : pool;
    return voters.map((voter) => ({ ...voter, answer: answerOf(voter.text, extract, answerEnd) }));
  };
  return {
    name: "self-consistency",
    isPooled: true,
    score(input) {
      const ballots = ballotsOf(input);
      const ofPool = ballots.slice(ballots.length - input.pool.length);
      const electionFor = (candidate: number) =>
        leaveCandidateOut
          ? ballots.filter((b) => !(ofPool.includes(b) && b.candidate === candidate))
          : ballots;
      const shared = leaveCandidateOut ? undefined : electMajority(ballots, singleton);
      return ofPool.map(({ answer, candidate }) => {
        const majority = shared ?? electMajority(electionFor(candidate), singleton);
        return answer !== null && answer === majority.answer ? 1 : 0;
      });
    },
    isSettled(input, confidence) {
      // A rollout that stands for several candidates is still one draw.
      const draws = ballotsOf(input).map((ballot) =>
        ballot.rollout === null
          ? { ...ballot, votes: ballot.samples }
          : { ...ballot, votes: ballot.votes / ballot.samples },
      );
      const [leader, runnerUp] = countVotes(draws).toSorted((a, b) => b.votes - a.votes);
      return leadProbability(leader?.votes ?? 0, runnerUp?.votes ?? 0) >= confidence;
    },
    ...endingWithAnswer(options),
  };
}

export interface Ballot extends Pick<Completion, "votes" | "samples"> {
  answer: string | null;
}

export interface Majority {
  /** `null` when nobody answered, or by the singleton rule. */
  answer: string | null;
  /** The answer's share of all votes, those without an answer included. */
  share: number;
}

interface Tally {
  answer: string;
  votes: number;
  samples: number;
}

/** Each answer's votes, in the order of first sight. */
function countVotes(ballots: readonly Ballot[]): Tally[] {
  const tallies = new Map<string, Tally>();
  for (const { answer, votes, samples } of ballots) {
    if (answer === null) continue;
    const tally = tallies.get(answer) ?? { answer, votes: 0, samples: 0 };
    tallies.set(answer, {
      answer,
      votes: tally.votes + votes,
      samples: tally.samples + samples,
    });
  }
  return [...tallies.values()];
}

/** Counts votes; ties go to the answer seen first. */
export function electMajority(ballots: readonly Ballot[], singleton: 0 | 1): Majority {
  const best = countVotes(ballots).reduce<Tally | undefined>(
    (a, b) => (a === undefined || b.votes > a.votes ? b : a),
    undefined,
  );
  if (best === undefined || best.votes === 0) return { answer: null, share: 0 };
  const total = ballots.reduce((sum, { votes }) => sum + votes, 0);
  if (singleton === 0 && best.samples === 1) return { answer: null, share: best.votes / total };
  return { answer: best.answer, share: best.votes / total };
}
