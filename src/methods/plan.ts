import type { Prompt } from "../engine/chat/conversation.js";
import { checkOneOf } from "../engine/check.js";
import type { Model } from "../engine/engine.js";
import type { Plan } from "../planning/run-plan.js";
import { planRun } from "./plan-run.js";
import { METHOD_NAMES, METHODS, type MethodName, type MethodOptions } from "./registry.js";
import { checkNames, promptOptions } from "./resolve-options.js";

/**
 * What a method would need for a prompt; nothing is drawn.
 *
 * @example
 * const { peakBytes, model: { tokens } } = await plan(model, "What is 6 * 7?", { candidates: 16 });
 *
 * @param options the method's, and its name (default: ets, or ets-is with a proposal)
 * @throws LlamaEtsError as the method would, with what would fit: `ERR_CONTEXT_FULL`,
 *   `ERR_OUT_OF_MEMORY`, `ERR_INVALID_OPTION`
 */
export async function plan(
  model: Model,
  prompt: Prompt,
  options: MethodOptions & { method?: MethodName } = {},
): Promise<Plan> {
  const { method: name = "ets", ...given } = options;
  const named = METHODS[checkOneOf("method", name, METHOD_NAMES)];
  const method = (given.proposal && named.withProposal) ?? named;
  checkNames(method, given);
  const { tokens } = await model.encodePrompt(prompt, promptOptions(given));
  return planRun(method, model, given, tokens.length).plan;
}
