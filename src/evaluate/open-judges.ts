/** Opens the rewards and potentials that an evaluation names, and checks that they return scores. */

import { frozenCopy } from "../engine/frozen-copy.js";
import { untilAborted } from "../engine/until-aborted.js";
import { rewardOfItem } from "../rewards/item-reward.js";
import { type OpenedPotentials, openPotentials, parseReward } from "../rewards/named.js";
import { type Completion, checkScores, type Reward } from "../rewards/reward.js";
import { answersOf, type Task, type TaskItem } from "../tasks/task.js";

/**
 * Opens the named rewards and potentials. Those from modules score a right answer to the item as a test,
 * because every sample would fail if they returned no finite number.
 *
 * @throws LlamaEtsError as `openReward` does; `ERR_REWARD` if the test returns no finite number
 */
export async function openJudges(
  names: readonly string[],
  task: Task,
  item: TaskItem,
  signal: AbortSignal | undefined,
): Promise<OpenedPotentials> {
  const opened = await openPotentials([...new Set(names)], {
    ...answersOf(task),
    ...(signal && { signal }),
  });
  try {
    for (const [name, judge] of opened.byName) {
      if (parseReward(name).some(({ kind }) => kind === "module")) await probe(judge, item, signal);
    }
    return opened;
  } catch (error) {
    await opened[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * Tests a judge with a right answer. An error that the judge throws is ignored, because a remote service may
 * recover; its samples fail and are tried again.
 */
async function probe(
  judge: Reward,
  { row, ...item }: TaskItem,
  signal: AbortSignal | undefined,
): Promise<void> {
  const text: Completion = {
    text: item.gold,
    tokens: [0],
    logProbs: [0],
    entropies: [0],
    selfCertainties: [0],
    finishReason: "end",
    candidate: 0,
    rollout: null,
    votes: 1,
    samples: 1,
  };
  const input = frozenCopy({ prompt: item.prompt, pool: [text], earlier: [] });
  const asked = rewardOfItem(judge, { ...row, ...item });
  const scores = await untilAborted(async () => asked.score(input), signal).catch(() => null);
  signal?.throwIfAborted();
  if (scores !== null) checkScores(judge.name, scores, [text], ", a right answer");
}
