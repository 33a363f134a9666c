import type { Prompt } from "../engine/chat/conversation.js";
import { checkBoolean, checkModel, checkObject, checkOneOf } from "../engine/check.js";
import type { Model } from "../engine/engine.js";
import { LlamaEtsError } from "../engine/errors.js";
import { forecast } from "../planning/pair.js";
import type { Plan } from "../planning/run-plan.js";
import { choose, optionsGiven, reasonOf } from "./auto.js";
import { checkProposal } from "./check-proposal.js";
import type { MethodFacts } from "./method.js";
import { METHOD_NAMES, METHODS, type MethodName, type MethodOptions } from "./registry.js";
import { askRun, planAsked } from "./run/ask-run.js";

export interface PlanOptions {
  /** `auto` chooses a method by the options. */
  method?: MethodName | "auto";
  /**
   * Whether to draw a few texts with the proposal, to forecast which share of its rollouts counts
   * (`checkProposal`). Default false: nothing is drawn.
   */
  checkProposal?: boolean;
}

/**
 * Plans a method for a prompt. Nothing is drawn, except to check a proposal.
 *
 * @example
 * const { peakBytes, model: { tokens } } = await plan(model, "What is 6 * 7?", { candidates: 16 });
 *
 * @param options the method's, its name (default: ets, or ets-is with a proposal; `auto` chooses one),
 *   and whether to check the proposal
 * @throws LlamaEtsError as the method would, with what would fit: `ERR_CONTEXT_FULL`,
 *   `ERR_OUT_OF_MEMORY`, `ERR_INVALID_OPTION`
 */
export async function plan(
  model: Model,
  prompt: Prompt,
  options: MethodOptions & PlanOptions = {},
): Promise<Plan> {
  checkModel("model", model);
  const {
    method: name = "ets",
    checkProposal: checks = false,
    ...given
  } = checkObject("options", options);
  checkOneOf("method", name, [...METHOD_NAMES, "auto"]);
  if (name === "auto") {
    const choice = await choose(model, prompt, given);
    const planned = {
      ...optionsGiven(given, choice),
      method: choice.method,
      checkProposal: checks,
    };
    return { ...(await plan(model, prompt, planned)), auto: reasonOf(choice) };
  }
  const named = METHODS[name];
  const method = (given.proposal && named.withProposal) ?? named;
  const asked = await askRun(method as MethodFacts, model, prompt, given);
  const { plan: planned, resolved } = planAsked(asked);
  const { proposal } = resolved.energy;
  if (!checkBoolean("checkProposal", checks)) return planned;
  if (proposal === null || given.proposal === undefined) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "`checkProposal` needs a `proposal`");
  }
  const pair = await checkProposal(model, given.proposal, asked.encoded.tokens, {
    temperature: resolved.policy.sampling.temperature,
    proposalTemperature: proposal.sampling.temperature,
    seed: resolved.policy.seed,
    ...(given.signal && { signal: given.signal }),
  });
  return { ...planned, pair: forecast(pair, planned.maxTokens - planned.blockTokens) };
}
