import type { Model } from "../engine/local/model.js";
import type { Prompt } from "../engine/prompt.js";
import { drawComplete } from "./draw-complete.js";
import type { MethodOptions } from "./options.js";
import type { Result } from "./result.js";
import { Run } from "./run.js";

/**
 * Draws `candidates` whole texts and returns the one with the highest reward, the first of equals.
 * It is ETS with one step and λ → 0.
 *
 * @throws as `ets` does
 */
export async function bestOfN(
  model: Model,
  prompt: Prompt,
  options: MethodOptions = {},
): Promise<Result> {
  await using run = await Run.open("best-of-n", model, prompt, options);
  return await drawComplete(run, (texts) => {
    const best = Math.max(...texts.map(({ reward }) => reward));
    return texts.findIndex(({ reward }) => reward === best);
  });
}
