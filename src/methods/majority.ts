import type { Model } from "../engine/local/model.js";
import type { Prompt } from "../engine/prompt.js";
import { extractAnswer } from "../rewards/answer.js";
import type { Reward } from "../rewards/reward.js";
import { selfConsistency } from "../rewards/self-consistency.js";
import { drawComplete } from "./draw-complete.js";
import type { MethodOptions } from "./options.js";
import type { Result } from "./result.js";
import { Run } from "./run.js";

/**
 * Self-consistency (Wang et al. 2023): draws `candidates` whole texts and returns the first with
 * the plurality of canonical answers; the first text when none gives an answer. With `adaptive` it
 * stops drawing once the vote is settled, by the Beta rule or a unanimous round.
 *
 * @throws as `ets` does
 */
export async function majority(
  model: Model,
  prompt: Prompt,
  options: Omit<MethodOptions, "reward"> = {},
): Promise<Result> {
  const { extract = extractAnswer, adaptive } = options;
  const vote = selfConsistency({ extract, singleton: 1 });
  const isUnanimous = typeof adaptive === "object" && adaptive.rule === "unanimous";
  const untilUnanimous: Reward = {
    ...vote,
    isSettled: ({ pool }) => {
      const last = pool.slice(-(run.settings.adaptive?.round ?? 1));
      const answers = new Set(last.map(({ text }) => run.answerOf(text)));
      return answers.size === 1 && !answers.has(null);
    },
  };
  const voting = { ...options, reward: isUnanimous ? untilUnanimous : vote };
  await using run = await Run.open("majority", model, prompt, voting);
  return await drawComplete(run, (texts) => {
    const { answer } = run.vote(texts);
    return Math.max(
      0,
      texts.findIndex(({ text }) => answer !== null && run.answerOf(text) === answer),
    );
  });
}
