/** The options that shape the prompt. */
import type { PromptOptions } from "../../engine/chat/conversation.js";
import { readTools, type Tool } from "../../engine/chat/messages.js";
import { type ReasoningOption, resolveReasoning } from "../../engine/chat/reasoning.js";
import { checkToolChoice } from "../../engine/chat/tool-choice.js";
import { checkBoolean, checkString } from "../../engine/check.js";
import { LlamaEtsError } from "../../engine/errors.js";
import { checkDate, checkRaw, checkTemplate } from "../../engine/prompt.js";

/** The part of the options that shapes the prompt. */
export function promptOptions(options: PromptOptions): PromptOptions {
  const { raw, system, reasoning, tools, toolChoice, chatTemplate, date } = options;
  const given = {
    ...(raw !== undefined && { raw: checkBoolean("raw", raw) }),
    ...(system !== undefined && { system: checkString("system", system) }),
    ...(reasoning !== undefined && { reasoning: checkReasoning(reasoning) }),
    ...(tools !== undefined && { tools: checkTools(tools) }),
    ...(toolChoice !== undefined && { toolChoice: checkToolChoice(toolChoice, tools) }),
    ...(chatTemplate !== undefined && {
      chatTemplate: checkTemplate("chatTemplate", chatTemplate),
    }),
    ...(date !== undefined && { date: checkDate("date", date) }),
  };
  checkRaw(given);
  return given;
}

/** A diffusion model writes its thoughts and its answer at once: there is nothing to end. */
export function refuseBudget({ reasoning = "off" }: PromptOptions): void {
  const { effort, budget } = resolveReasoning(reasoning);
  if (effort !== "low" && (budget === null || effort === "off")) return;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    "A budget of `reasoning` (--reasoning) is for autoregressive models: a diffusion model writes thoughts and answer at once",
    { fix: "`auto`, `high` or `off`" },
  );
}

function checkReasoning(reasoning: ReasoningOption): ReasoningOption {
  resolveReasoning(reasoning);
  return reasoning;
}

function checkTools(tools: readonly Tool[]): readonly Tool[] {
  readTools(tools);
  return tools;
}
