/** What a run reads, and what its answers are restricted to. */
import {
  constrainedPrompt,
  refuseConstrainedThoughts,
} from "../../engine/chat/constrained-prompt.js";
import type { EncodedPrompt, Prompt } from "../../engine/chat/conversation.js";
import { restrictsCalls, type ToolChoice } from "../../engine/chat/tool-choice.js";
import { compiledConstraint } from "../../engine/constraint/constraint.js";
import type { CompiledConstraint } from "../../engine/constraint/kinds.js";
import type { Model } from "../../engine/engine.js";
import { LlamaEtsError } from "../../engine/errors.js";
import { isChannel } from "../../engine/thoughts.js";
import type { MethodFacts } from "../method.js";
import type { GivenOptions } from "../options/given.js";
import { promptOptions } from "../options/prompt.js";

interface PreparedPrompt {
  encoded: EncodedPrompt;
  /** That of the options, or of the tools that they name. */
  constraint?: CompiledConstraint;
}

/**
 * @throws LlamaEtsError what is wrong with the prompt or the constraint; `ERR_CONSTRAINT` where tool calls
 *   are required and can't be restricted. With `auto` that is a note
 */
export async function preparePrompt(
  method: MethodFacts,
  model: Model,
  prompt: Prompt,
  options: GivenOptions,
): Promise<PreparedPrompt> {
  const shaped = promptOptions(options);
  const given = await compiledConstraint(options.constraint);
  const rendered = await model.encodePrompt(prompt, shaped);
  const reads = (constraint: CompiledConstraint): PreparedPrompt => {
    const encoded = constrainedPrompt(model, rendered, shaped);
    if (method.expands || options.proposal) {
      refuseConstrainedThoughts(options.proposal ? "A proposal" : method.name, encoded);
    }
    return { encoded, constraint };
  };
  if (given !== undefined) return reads(given);
  const { toolChoice } = options;
  if (!restrictsCalls(toolChoice) || options.tools === undefined || options.tools.length === 0) {
    return { encoded: rendered };
  }
  try {
    return reads(await constraintOfTools(model, rendered, toolChoice));
  } catch (error) {
    if (toolChoice !== "auto" || !(error instanceof LlamaEtsError)) throw error;
    const note = `The tools' calls are not restricted. ${error.message}`;
    return { encoded: { ...rendered, notes: [...rendered.notes, note] } };
  }
}

async function constraintOfTools(
  model: Model,
  { chat, thoughts }: EncodedPrompt,
  choice: Exclude<ToolChoice, "none">,
): Promise<CompiledConstraint> {
  const refuse = (message: string, fix: string) =>
    new LlamaEtsError("ERR_CONSTRAINT", message, { fix });
  if (model.info.isDiffusion) {
    throw refuse(
      "Tool calls can be restricted for autoregressive models: a diffusion model doesn't write from left to right",
      "no `toolChoice`",
    );
  }
  if (chat === null || chat.prefill !== "") {
    throw refuse("Tool calls can't be restricted in an answer that has begun", "no `toolChoice`");
  }
  if (thoughts !== null && isChannel(thoughts.start)) {
    throw refuse(
      "Tool calls can't be restricted under this chat template, which writes them in a channel of its thoughts",
      "no `toolChoice`, or another template (`chatTemplate`, --chat-template)",
    );
  }
  const { toolConstraint } = await import("../../engine/chat/tool-constraint.js");
  return await toolConstraint(model, chat, choice);
}
