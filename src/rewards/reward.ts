import type { AnswerEnd } from "../chain/answer-end.js";
import type { Text } from "../chain/chain.js";
import { checkFunction, checkObject, checkString, isDense, optional } from "../engine/check.js";
import type { Model } from "../engine/engine.js";
import { LlamaEtsError, messageOf } from "../engine/errors.js";
import { frozenCopy } from "../engine/frozen-copy.js";
import type { TokenMetric } from "../engine/sequences.js";
import { untilAborted } from "../engine/until-aborted.js";
import type { Stopping, StoppingRule } from "./settled-vote.js";

/** Finds the answer in a text; `null` when there is none. */
export interface AnswerExtractor {
  (text: string): string | null;
  /** Whether equal answers are equal texts already, as JSON in one form is. Default false. */
  readonly isCanonical?: boolean;
}

/**
 * A finished text to be rewarded: a rollout, or a candidate that has ended. A potential is asked about
 * unfinished candidates, whose `finishReason` is null.
 */
export interface Completion extends Text {
  /** The candidate it belongs to; the first of a group of identical ones. */
  candidate: number;
  /** Its number among the candidate's rollouts; `null` for a candidate that has ended itself. */
  rollout: number | null;
  /** Votes in a pool: every candidate has as many in all, however few texts it took. */
  votes: number;
  /** Candidates whose draw it stands for: 1, or the size of a group of identical ones. */
  samples: number;
}

/** The fields of an item's row, and what the task made of them: `id`, `prompt`, `gold`, …. */
export type RewardItem = Readonly<Record<string, unknown>>;

/** What a reward is given, frozen: one that would change it fails, and the run's texts stay theirs. */
export interface RewardInput {
  /** What the model read, as text. */
  prompt: string;
  /**
   * Where special tokens stand in it, from `start` up to `end`: what looks like one elsewhere came with
   * a message and is text. Default: wherever one is spelled.
   */
  specials?: readonly { readonly start: number; readonly end: number }[];
  /** All completions of this guidance step. */
  pool: readonly Completion[];
  /** Those of the steps before, oldest first. */
  earlier: readonly Completion[];
  /** How the run finds answers, for rewards that aren't told. Default: the usual forms. */
  extract?: AnswerExtractor;
  /** In evaluations, the fields of the item's row and what the task made of them. Default: none. */
  item?: RewardItem;
}

/** r(y, x). Sampling targets p_ref · exp(r / λ), so a reward's unit is λ's. */
export interface Reward {
  readonly name: string;
  /** One finite number for each completion of the pool, in order. */
  score(input: RewardInput): readonly number[] | Promise<readonly number[]>;
  /**
   * Whether more completions would hardly change who earns: adaptive runs then stop drawing.
   * `confidence`, from .5 to 1, and `rule` say how sure of it they must be. Default: never.
   */
  isSettled?(input: RewardInput, confidence: number, rule?: StoppingRule): boolean;
  /** What each of a pool's texts counts in a vote, from 0. Default: its `votes`. */
  ballots?(pool: readonly Completion[]): readonly number[];
  /** Whether no continuation of this unfinished text can change its reward. */
  isDecided?(text: string): boolean;
  /** What follows it in a text doesn't matter to the reward: rollouts end there. */
  readonly answerEnd?: AnswerEnd;
  /** Whether a text's reward depends on the others of its pool, as votes do. Default false. */
  readonly isPooled?: boolean;
  /** Whether texts earn by the answers they give, as votes do: reports then tell of these. Default false. */
  readonly votes?: boolean;
  /** Whether all texts earn 0: then no rollouts are drawn for it. Default false. */
  readonly isZero?: boolean;
  /** What completions must carry besides their log-probabilities. Default: nothing. */
  readonly metrics?: readonly TokenMetric[];
  /** Models that compute it. Default: none. */
  readonly models?: readonly Model[];
  /** Frees what the reward owns, such as a model. */
  [Symbol.asyncDispose]?(): Promise<void>;
}

/** The reward of a target without one. */
export const NO_REWARD: Reward = {
  name: "none",
  isZero: true,
  score: ({ pool }) => pool.map(() => 0),
};

/** A text to be rewarded by itself, with what it answers. */
export type RewardedText = Completion & Pick<RewardInput, "prompt" | "item">;

/** A reward of each text by itself. */
export type RewardFunction = (
  completion: RewardedText,
  input: RewardInput,
) => number | Promise<number>;

/** Throws `ERR_INVALID_OPTION` for what is neither a reward nor a function. */
export function toReward(reward: Reward | RewardFunction): Reward {
  checkReward("reward", reward);
  if (typeof reward !== "function") return reward;
  return {
    name: reward.name === "" ? "custom" : reward.name,
    score: (input) => {
      const { prompt, item } = input;
      const asked = { prompt, ...(item && { item }) };
      return Promise.all(
        input.pool.map(async (text) => reward(Object.freeze({ ...text, ...asked }), input)),
      );
    },
  };
}

/** Throws `ERR_INVALID_OPTION` for what is neither a reward nor a function. */
export function checkReward(name: string, value: Reward | RewardFunction): Reward | RewardFunction {
  if (typeof value === "function") return value;
  checkObject(name, value);
  checkString(`${name}.name`, value.name);
  checkFunction(`${name}.score`, value.score);
  optional(checkFunction, `${name}.isSettled`, value.isSettled);
  optional(checkFunction, `${name}.ballots`, value.ballots);
  optional(checkFunction, `${name}.isDecided`, value.isDecided);
  return value;
}

/** What a judge of texts is asked for: the worth of finished ones, or of unfinished ones. */
type Role = "reward" | "potential";

/** Scores a pool. Throws `ERR_REWARD`, naming the completion, for anything but finite numbers. */
export async function scorePool(
  reward: Reward,
  input: RewardInput,
  step: number,
  signal: AbortSignal | undefined,
  role: Role = "reward",
): Promise<readonly number[]> {
  let scores: readonly number[];
  try {
    // The reward may take long.
    scores = await untilAborted(async () => reward.score(guarded(input)), signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw rewardError(reward, step, error, role);
  }
  checkScores(reward.name, scores, input.pool, ` at step ${step}`, role);
  return [...scores];
}

/** Frozen copies of completions: `earlier` ones are asked for at each step. */
const copies = new WeakMap<Completion, Completion>();

function guarded({ pool, earlier, ...asked }: RewardInput): RewardInput {
  const copied = (completions: readonly Completion[]) => Object.freeze(completions.map(copyOf));
  return Object.freeze({ ...asked, pool: copied(pool), earlier: copied(earlier) });
}

function copyOf(completion: Completion): Completion {
  const copy = copies.get(completion) ?? frozenCopy(completion);
  copies.set(completion, copy);
  return copy;
}

/** Texts that are judged each by itself, and those that vote beside it. */
interface EachInput extends Pick<RewardInput, "prompt" | "specials"> {
  texts: readonly Completion[];
  voters: readonly Completion[];
}

/**
 * r of each text by itself. A reward that votes judges each in the pool of the voters and the text: a
 * function of the text alone while the voters stay the same. Throws `ERR_REWARD`.
 */
export async function scoreEach(
  reward: Reward,
  { texts, voters, ...asked }: EachInput,
  step: number,
  signal: AbortSignal | undefined,
): Promise<readonly number[]> {
  const score = (pool: readonly Completion[]) =>
    scorePool(reward, { ...asked, pool, earlier: [] }, step, signal);
  if (!reward.isPooled) return score(texts);
  const rewards: number[] = [];
  for (const text of texts) rewards.push((await score([...voters, text])).at(-1) as number);
  return rewards;
}

/** Checks for one finite number a completion. Throws `ERR_REWARD`, naming the completion. */
export function checkScores(
  name: string,
  scores: readonly number[],
  pool: readonly Completion[],
  where = "",
  role: Role = "reward",
): void {
  if (!Array.isArray(scores) || scores.length !== pool.length) {
    throw new LlamaEtsError(
      "ERR_REWARD",
      `Expected the ${role} \`${name}\` to return ${pool.length} numbers${where}, got ${Array.isArray(scores) ? scores.length : typeof scores}`,
    );
  }
  for (const [i, score] of scores.entries()) {
    if (Number.isFinite(score)) continue;
    const got = typeof (score as unknown) === "string" ? JSON.stringify(score) : score;
    throw new LlamaEtsError(
      "ERR_REWARD",
      `Expected the ${role} \`${name}\` to return a finite number, got \`${got}\` for ${nameText(pool[i] as Completion, where)}`,
    );
  }
}

/** Says which text of a run it is, and how it begins. */
export function nameText({ candidate, rollout, text }: Completion, where: string): string {
  const which = rollout === null ? "" : `rollout ${rollout} of `;
  const shown = text.length > 60 ? `${text.slice(0, 59)}…` : text;
  return `${which}candidate ${candidate}${where}, ${JSON.stringify(shown)}`;
}

/** Whether the reward calls the pool settled. Throws `ERR_REWARD` when it fails. */
export function isPoolSettled(
  reward: Reward,
  input: RewardInput,
  step: number,
  { rule, confidence }: Stopping,
): boolean {
  try {
    return reward.isSettled?.(guarded(input), confidence, rule) ?? false;
  } catch (error) {
    throw rewardError(reward, step, error);
  }
}

/**
 * What each of a pool's texts counts in a vote. Throws `ERR_REWARD` for anything but finite numbers from 0.
 */
export function votesIn(
  reward: Reward,
  pool: readonly Completion[],
  step: number,
): readonly number[] {
  if (reward.ballots === undefined) return pool.map(({ votes }) => votes);
  let votes: readonly number[];
  try {
    votes = reward.ballots(Object.freeze(pool.map(copyOf)));
  } catch (error) {
    throw rewardError(reward, step, error);
  }
  const areVotes = isDense(votes) && votes.every((vote) => Number.isFinite(vote) && vote >= 0);
  if (areVotes && votes.length === pool.length) return [...votes];
  throw new LlamaEtsError(
    "ERR_REWARD",
    `Expected \`ballots\` of the reward \`${reward.name}\` to return ${pool.length} finite numbers from 0 at step ${step}, got ${Array.isArray(votes) ? `[${votes}]` : typeof votes}`,
  );
}

/** Whether no continuation of an unfinished text can change its reward. Throws `ERR_REWARD`. */
export function isTextDecided(reward: Reward, text: string, step: number): boolean {
  try {
    return reward.isDecided?.(text) === true;
  } catch (error) {
    throw rewardError(reward, step, error);
  }
}

function rewardError(
  reward: Reward,
  step: number,
  error: unknown,
  role: Role = "reward",
): LlamaEtsError {
  if (error instanceof LlamaEtsError) return error;
  return new LlamaEtsError(
    "ERR_REWARD",
    `The ${role} \`${reward.name}\` failed at step ${step}: ${messageOf(error)}`,
    { cause: error },
  );
}
