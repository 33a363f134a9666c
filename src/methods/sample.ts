import type { Model } from "../engine/local/model.js";
import type { Prompt } from "../engine/prompt.js";
import type { MethodOptions } from "./options.js";
import type { Result } from "./result.js";
import { Run } from "./run.js";

/** Draws one text from the reference policy. */
export async function sample(
  model: Model,
  prompt: Prompt,
  options: Omit<MethodOptions, "reward"> = {},
): Promise<Result> {
  return drawOne("sample", model, prompt, options);
}

/** The most probable token each time: `sample` at temperature 0. */
export async function greedy(
  model: Model,
  prompt: Prompt,
  options: Omit<MethodOptions, "reward" | "temperature"> = {},
): Promise<Result> {
  return drawOne("greedy", model, prompt, { ...options, temperature: 0 });
}

async function drawOne(
  method: "sample" | "greedy",
  model: Model,
  prompt: Prompt,
  options: MethodOptions,
): Promise<Result> {
  await using run = await Run.open(method, model, prompt, options);
  const [text] = await run.chain.advance(await run.chain.start(), 1, 0);
  if (text === undefined) throw new Error("unreachable: one text was asked for");
  return await run.finish(text);
}
