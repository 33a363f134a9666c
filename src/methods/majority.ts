import type { Model } from "../engine/model.js";
import type { Prompt } from "../engine/prompt.js";
import { selfConsistency } from "../rewards/self-consistency.js";
import { drawComplete } from "./draw-complete.js";
import type { MethodOptions } from "./options.js";
import type { Result } from "./result.js";
import { Run } from "./run.js";

/**
 * Self-consistency (Wang et al. 2023): draws `candidates` whole texts and returns the first with
 * the plurality of canonical answers; the first text when none gives an answer.
 *
 * @throws as `ets` does
 */
export async function majority(
  model: Model,
  prompt: Prompt,
  options: Omit<MethodOptions, "reward"> = {},
): Promise<Result> {
  const { extract } = options;
  const vote = selfConsistency({ ...(extract && { extract }), singleton: 1 });
  const voting = { ...options, reward: vote };
  await using run = await Run.open("majority", model, prompt, voting);
  return await drawComplete(run, (texts) => {
    const { answer } = run.vote(texts);
    return Math.max(
      0,
      texts.findIndex(({ text }) => answer !== null && run.answerOf(text) === answer),
    );
  });
}
