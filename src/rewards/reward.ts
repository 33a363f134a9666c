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
  /** Whether the answers already have one form, as canonical JSON does. Default false. */
  readonly isCanonical?: boolean;
}

/**
 * A finished text to reward: a rollout, or a candidate that has ended. A potential judges unfinished
 * candidates, whose `finishReason` is null.
 */
export interface Completion extends Text {
  /** The number of its candidate, or of the first of a group of identical candidates. */
  candidate: number;
  /** Its number among the candidate's rollouts; `null` if it is the candidate itself, which has ended. */
  rollout: number | null;
  /** Its votes in a pool. Every candidate has the same number of votes in all, however many texts it has. */
  votes: number;
  /** The number of identical candidates that it stands for; 1 if there is only one. */
  samples: number;
}

/** The fields of an item's row, and the fields that the task derives from them: `id`, `prompt`, `gold`, …. */
export type RewardItem = Readonly<Record<string, unknown>>;

/** The input of a reward. It is frozen, so a reward that tries to change it fails. */
export interface RewardInput {
  /** The model's prompt, as text. */
  prompt: string;
  /**
   * The ranges of special tokens in the prompt, from `start` up to `end`. The name of a special token
   * elsewhere came with a message and is text. Default: every name of a special token is one.
   */
  specials?: readonly { readonly start: number; readonly end: number }[];
  /** All completions of this guidance step. */
  pool: readonly Completion[];
  /** The completions of earlier steps, oldest first. */
  earlier: readonly Completion[];
  /** How the run finds answers, for rewards without their own way. Default: the usual forms. */
  extract?: AnswerExtractor;
  /** In evaluations, the fields of the task's item. Default: none. */
  item?: RewardItem;
}

/** r(y, x). Sampling targets p_ref · exp(r / λ), so a reward has the same unit as λ. */
export interface Reward {
  readonly name: string;
  /** One finite number for each completion of the pool, in order. */
  score(input: RewardInput): readonly number[] | Promise<readonly number[]>;
  /**
   * Whether more completions would hardly change the rewards, so that adaptive runs stop drawing.
   * `confidence`, from 0.5 to 1, and `rule` determine the required certainty. Default: never.
   */
  isSettled?(input: RewardInput, confidence: number, rule?: StoppingRule): boolean;
  /** The weight of each of a pool's texts in a vote, at least 0. Default: its `votes`. */
  ballots?(pool: readonly Completion[]): readonly number[];
  /** Whether no continuation of this unfinished text can change its reward. */
  isDecided?(text: string): boolean;
  /** Where answers end. The text after it doesn't change the reward, so rollouts end there. */
  readonly answerEnd?: AnswerEnd;
  /** Whether a text's reward depends on other texts of its pool, as with votes. Default false. */
  readonly isPooled?: boolean;
  /** Whether the reward depends on votes for answers, so that reports show the answers. Default false. */
  readonly votes?: boolean;
  /** Whether all texts earn 0, so that no rollouts need be drawn. Default false. */
  readonly isZero?: boolean;
  /** The metrics that completions must have in addition to log-probabilities. Default: none. */
  readonly metrics?: readonly TokenMetric[];
  /** The models that compute the reward. Default: none. */
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

/** A text to reward, with its prompt and its item. */
export type RewardedText = Completion & Pick<RewardInput, "prompt" | "item">;

/** A reward that judges each text separately. */
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

/** Whether finished texts are judged (by a reward) or unfinished ones (by a potential). */
type Role = "reward" | "potential";

/** Scores a pool. Throws `ERR_REWARD`, which names the completion, for scores that are not finite numbers. */
export async function scorePool(
  reward: Reward,
  input: RewardInput,
  step: number,
  signal: AbortSignal | undefined,
  role: Role = "reward",
): Promise<readonly number[]> {
  let scores: readonly number[];
  try {
    // The reward may take long, so an abort doesn't wait for it.
    scores = await untilAborted(async () => reward.score(guarded(input)), signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw rewardError(reward, step, error, role);
  }
  checkScores(reward.name, scores, input.pool, ` at step ${step}`, role);
  return [...scores];
}

/** Frozen copies of completions. They are kept because `earlier` completions are needed at each step. */
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

/** Texts to judge separately, and the texts that vote together with each. */
interface EachInput extends Pick<RewardInput, "prompt" | "specials"> {
  texts: readonly Completion[];
  voters: readonly Completion[];
}

/**
 * The reward of each text separately. A pooled reward judges each text in a pool with the voters, so the
 * result depends only on the text as long as the voters stay the same. Throws `ERR_REWARD`.
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

/** Checks that there is one finite number per completion. Throws `ERR_REWARD`, which names the completion. */
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

/** A description of a run's text for messages: its numbers and its beginning. */
export function nameText({ candidate, rollout, text }: Completion, where: string): string {
  const which = rollout === null ? "" : `rollout ${rollout} of `;
  const shown = text.length > 60 ? `${text.slice(0, 59)}…` : text;
  return `${which}candidate ${candidate}${where}, ${JSON.stringify(shown)}`;
}

/** Whether the reward says that the pool is settled. Throws `ERR_REWARD` if the reward throws. */
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
 * The weight of each of a pool's texts in a vote. Throws `ERR_REWARD` unless all are finite and at least 0.
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
