import type { Prompt } from "../engine/chat/conversation.js";
import { checkBoolean, checkOneOf } from "../engine/check.js";
import type { Model } from "../engine/engine.js";
import { LlamaEtsError } from "../engine/errors.js";
import { forecast } from "../planning/pair.js";
import type { Plan } from "../planning/run-plan.js";
import { checkProposal } from "./check-proposal.js";
import { planRun } from "./plan-run.js";
import { preparePrompt } from "./prepare-prompt.js";
import { METHOD_NAMES, METHODS, type MethodName, type MethodOptions } from "./registry.js";
import { checkNames } from "./resolve-options.js";

export interface PlanOptions {
  method?: MethodName;
  /**
   * Says of a proposal how many of its rollouts will count, by a few texts that are drawn for it
   * (`checkProposal`). Default false: nothing is drawn.
   */
  checkProposal?: boolean;
}

/**
 * What a method would need for a prompt; nothing is drawn, but to check a proposal.
 *
 * @example
 * const { peakBytes, model: { tokens } } = await plan(model, "What is 6 * 7?", { candidates: 16 });
 *
 * @param options the method's, its name (default: ets, or ets-is with a proposal), and whether to
 *   check the proposal
 * @throws LlamaEtsError as the method would, with what would fit: `ERR_CONTEXT_FULL`,
 *   `ERR_OUT_OF_MEMORY`, `ERR_INVALID_OPTION`
 */
export async function plan(
  model: Model,
  prompt: Prompt,
  options: MethodOptions & PlanOptions = {},
): Promise<Plan> {
  const { method: name = "ets", checkProposal: checks = false, ...given } = options;
  const named = METHODS[checkOneOf("method", name, METHOD_NAMES)];
  const method = (given.proposal && named.withProposal) ?? named;
  checkNames(method, given);
  const { encoded, constraint } = await preparePrompt(method, model, prompt, given);
  const { tokens } = encoded;
  const compiled = { ...given, ...(constraint && { constraint }) };
  const { plan, resolved } = planRun(method, model, compiled, tokens.length);
  const { proposal } = resolved.energy;
  if (!checkBoolean("checkProposal", checks)) return plan;
  if (proposal === null || given.proposal === undefined) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "`checkProposal` needs a `proposal`");
  }
  const pair = await checkProposal(model, given.proposal, tokens, {
    temperature: resolved.policy.sampling.temperature,
    proposalTemperature: proposal.sampling.temperature,
    ...{ seed: resolved.policy.seed, ...(given.signal && { signal: given.signal }) },
  });
  return { ...plan, pair: forecast(pair, plan.maxTokens - plan.blockTokens) };
}
