import type { AnswerEnd } from "../chain/answer-end.js";
import { checkKeys, checkNumber, isDense } from "../engine/check.js";
import { LlamaEtsError } from "../engine/errors.js";
import { checkScores, type Reward, type RewardFunction, toReward } from "./reward.js";

/** A term of a sum of rewards. */
export interface WeightedReward {
  reward: Reward | RewardFunction;
  /** Any finite number. Default 1. */
  weight?: number;
}

/**
 * The weighted sum of rewards. It is decided or settled once all of them are. Votes count as they do for
 * the first reward that votes. Disposing the sum disposes all rewards.
 *
 * @example
 * const reward = combine([{ reward: selfConsistency() }, { reward: confidence(), weight: 0.5 }]);
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`
 */
export function combine(weighted: readonly WeightedReward[]): Reward {
  if (!isDense(weighted) || weighted.length === 0) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      "Expected `combine` to be given rewards with finite weights",
      { fix: "combine([{ reward: selfConsistency() }, { reward: confidence(), weight: 0.5 }])" },
    );
  }
  const parts = (weighted as readonly WeightedReward[]).map((part) => {
    checkKeys("combine", part, ["reward", "weight"]);
    const { reward, weight = 1 } = part;
    checkNumber("weight", weight, -Number.MAX_VALUE, Number.MAX_VALUE);
    return { reward: toReward(reward), weight };
  });
  const rewards = parts.map(({ reward }) => reward);
  const canSettle = rewards.every(({ isSettled }) => isSettled !== undefined);
  const canDecide = rewards.every(({ isDecided }) => isDecided !== undefined);
  const answerEnd = commonAnswerEnd(rewards);
  const voting = rewards.find(({ votes, ballots }) => votes || ballots);
  const ballots = voting?.ballots?.bind(voting);
  return {
    name: parts.map(nameOf).join("+"),
    isPooled: rewards.some(({ isPooled }) => isPooled),
    votes: rewards.some(({ votes }) => votes),
    models: [...new Set(rewards.flatMap(({ models = [] }) => models))],
    metrics: [...new Set(rewards.flatMap(({ metrics = [] }) => metrics))],
    async score(input) {
      const scores = await Promise.all(
        rewards.map(async (reward) => {
          const own = await reward.score(input);
          checkScores(reward.name, own, input.pool);
          return own;
        }),
      );
      return input.pool.map((_, i) =>
        parts.reduce((sum, { weight }, j) => sum + weight * (scores[j]?.[i] as number), 0),
      );
    },
    ...(ballots && { ballots }),
    ...(canSettle && {
      isSettled: (...asked) => rewards.every((r) => r.isSettled?.(...asked)),
    }),
    ...(canDecide && { isDecided: (text) => rewards.every((r) => r.isDecided?.(text)) }),
    ...(answerEnd && { answerEnd }),
    async [Symbol.asyncDispose]() {
      await Promise.all(rewards.map((reward) => reward[Symbol.asyncDispose]?.()));
    },
  };
}

/** The `answerEnd` that all rewards have in common, if any. */
function commonAnswerEnd(rewards: readonly Reward[]): AnswerEnd | undefined {
  const first = rewards[0]?.answerEnd;
  const isSame = ({ answerEnd }: Reward) =>
    answerEnd?.mark === first?.mark && answerEnd?.end === first?.end;
  return rewards.every(isSame) ? first : undefined;
}

function nameOf({ reward, weight }: { reward: Reward; weight: number }): string {
  return weight === 1 ? reward.name : `${weight}*${reward.name}`;
}
