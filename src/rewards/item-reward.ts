/** Rewards and potentials that get the task's item in addition to the texts. */
import { frozenCopy } from "../engine/frozen-copy.js";
import type { Reward, RewardInput, RewardItem } from "./reward.js";

/**
 * The same reward for the texts of one item: its input also has the item's fields. Disposing it does
 * nothing; dispose the original reward.
 */
export function rewardOfItem(reward: Reward, item: RewardItem): Reward {
  const known = frozenCopy(item);
  const withItem = (input: RewardInput): RewardInput => Object.freeze({ ...input, item: known });
  const { isSettled, ballots, isDecided, answerEnd, isPooled, votes, isZero, metrics, models } =
    reward;
  return {
    name: reward.name,
    score: (input) => reward.score(withItem(input)),
    ...(isSettled && {
      isSettled: (input, ...asked) => isSettled.call(reward, withItem(input), ...asked),
    }),
    ...(ballots && { ballots: (pool) => ballots.call(reward, pool) }),
    ...(isDecided && { isDecided: (text) => isDecided.call(reward, text) }),
    ...(answerEnd && { answerEnd }),
    ...(isPooled !== undefined && { isPooled }),
    ...(votes !== undefined && { votes }),
    ...(isZero !== undefined && { isZero }),
    ...(metrics && { metrics }),
    ...(models && { models }),
  };
}
