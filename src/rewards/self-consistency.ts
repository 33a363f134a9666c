import { checkBoolean, checkInteger, checkKeys, checkNumber, checkOneOf } from "../engine/check.js";
import {
  type AnswerOptions,
  answerOf,
  checkAnswerOptions,
  endingWithAnswer,
  extractAnswer,
} from "./answer.js";
import type { Completion, Reward, RewardInput } from "./reward.js";
import { isLeaderCertain, leadProbability } from "./settled-vote.js";

/** Which texts vote, how votes count, and how a text's answer is found; all are optional. */
export interface SelfConsistencyOptions extends AnswerOptions {
  /** Which votes count: those of this guidance step (default), or those of all steps so far. */
  pool?: "step" | "all";
  /** The reward of a majority that consists of one draw: 0 (default) or 1. */
  singleton?: 0 | 1;
  /** Judges each candidate only by the votes of the others. Default false. */
  leaveCandidateOut?: boolean;
  /**
   * `count` (default): each text has one vote. `probability`: each distinct text has the weight
   * p_ref(x)^voteExponent (perplexity consistency, Zhou et al. 2025). For short texts this is more precise
   * than counting copies.
   */
  votes?: VoteKind;
  /** Exponent of `votes: "probability"`, from 0.01 to 1. Default 1; use less for long texts. */
  voteExponent?: number;
}

export const VOTE_KINDS = ["count", "probability"] as const;
type VoteKind = (typeof VOTE_KINDS)[number];

/**
 * Self-consistency (Wang et al., ICLR 2023): 1 for completions with the most frequent answer, otherwise 0.
 * In a tie the answer that came first wins. A text without an answer has no vote and earns 0.
 *
 * @example
 * const reward = selfConsistency({ votes: "probability" });
 * const { answer } = await ets(model, "What is 6 * 7?", { reward, candidates: 8 });
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`
 */
export function selfConsistency(options: SelfConsistencyOptions = {}): Reward {
  checkKeys("selfConsistency", options, [
    "extract",
    "answerEnd",
    "pool",
    "singleton",
    "leaveCandidateOut",
    "votes",
    "voteExponent",
  ]);
  const { extract, answerEnd, pool: whose = "step" } = options;
  const { singleton = 0, leaveCandidateOut = false } = options;
  const { votes: kind = "count", voteExponent = 1 } = options;
  checkAnswerOptions(options);
  checkOneOf("pool", whose, ["step", "all"]);
  checkInteger("singleton", singleton, 0, 1);
  checkBoolean("leaveCandidateOut", leaveCandidateOut);
  checkOneOf("votes", kind, VOTE_KINDS);
  checkNumber("voteExponent", voteExponent, 0.01, 1);

  const ballots =
    kind === "count"
      ? undefined
      : (pool: readonly Completion[]) => probabilityVotes(pool, voteExponent);
  const ballotsOf = ({ pool, earlier, extract: ofRun = extractAnswer }: RewardInput) => {
    const voters = whose === "all" ? [...earlier, ...pool] : pool;
    const weights = ballots?.(voters);
    return voters.map((voter, i) => ({
      ...voter,
      votes: weights?.[i] ?? voter.votes,
      answer: answerOf(voter.text, extract ?? ofRun, answerEnd),
    }));
  };
  return {
    name: "self-consistency",
    isPooled: true,
    votes: true,
    ...(ballots && { ballots }),
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
    isSettled(input, confidence, rule = "sequential") {
      const all = ballotsOf(input);
      if (rule === "unanimous") return areUnanimous(all);
      if (kind === "probability") return voteExponent === 1 && isOutvoted(all);
      if (rule === "sequential") return isLeaderCertain(answersDrawn(all), confidence);
      // A rollout that stands for several candidates is still one draw.
      const draws = all.map((ballot) =>
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

interface Voter extends Completion {
  answer: string | null;
}

function areUnanimous(voters: readonly Voter[]): boolean {
  const answers = new Set(voters.map(({ answer }) => answer));
  return answers.size === 1 && !answers.has(null);
}

/**
 * The answers of independent draws. A finished candidate that stands for several candidates is that many
 * draws, but each of such a group's rollouts is one draw. With importance weights, a rollout with much
 * less weight than a draw does not count.
 */
function answersDrawn(voters: readonly Voter[]): (string | null)[] {
  return voters.flatMap(({ answer, rollout, samples, votes }) => {
    const draws = rollout === null ? samples : Math.round(votes / samples);
    return new Array<string | null>(draws).fill(answer);
  });
}

/**
 * Whether no text that wasn't drawn can change the most probable answer. All these texts together have the
 * probability 1 minus that of the distinct drawn texts.
 */
function isOutvoted(voters: readonly Voter[]): boolean {
  const seen = distinctTexts(voters).map((voter) => {
    return { ...voter, votes: Math.exp(sum(voter.logProbs)) };
  });
  const [leader, runnerUp] = countVotes(seen).toSorted((a, b) => b.votes - a.votes);
  const unseen = 1 - sum(seen.map(({ votes }) => votes));
  return leader !== undefined && leader.votes - (runnerUp?.votes ?? 0) > Math.max(0, unseen);
}

/**
 * The weights p_ref(x)^exponent of distinct texts, relative to the largest. Copies of an earlier text have
 * weight 0.
 */
function probabilityVotes(
  pool: readonly Pick<Completion, "tokens" | "logProbs">[],
  exponent = 1,
): number[] {
  const distinct = new Set(distinctTexts(pool));
  const logs = pool.map((text) =>
    distinct.has(text) ? exponent * sum(text.logProbs) : Number.NEGATIVE_INFINITY,
  );
  const largest = logs.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  // Texts outside the reference's support have no vote.
  return logs.map((log) => (log === Number.NEGATIVE_INFINITY ? 0 : Math.exp(log - largest)));
}

/** The first copy of each text. */
function distinctTexts<T extends Pick<Completion, "tokens">>(pool: readonly T[]): T[] {
  const firsts = new Map<string, T>();
  for (const text of pool) {
    const key = text.tokens.join();
    if (!firsts.has(key)) firsts.set(key, text);
  }
  return [...firsts.values()];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}

export interface Ballot extends Pick<Completion, "votes" | "samples"> {
  answer: string | null;
}

export interface Majority {
  /** `null` if no text has an answer, or because of the singleton rule. */
  answer: string | null;
  /** The answer's share of all votes, including those of texts without an answer. */
  share: number;
}

interface Tally {
  answer: string;
  votes: number;
  samples: number;
}

/** The votes of each answer, in the order in which answers first occur. */
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

/** Counts votes. In a tie the answer that came first wins. */
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
