/** Prepares a run: checks names, encodes the prompt and compiles the constraint. */
import {
  constrainedPrompt,
  refuseConstrainedThoughts,
} from "../../engine/chat/constrained-prompt.js";
import type { EncodedPrompt, Prompt } from "../../engine/chat/conversation.js";
import { restrictsCalls, type ToolChoice } from "../../engine/chat/tool-choice.js";
import { checkModel } from "../../engine/check.js";
import { compiledConstraint } from "../../engine/constraint/constraint.js";
import type { CompiledConstraint } from "../../engine/constraint/kinds.js";
import type { Model } from "../../engine/engine.js";
import { LlamaEtsError } from "../../engine/errors.js";
import { isChannel } from "../../engine/thoughts.js";
import type { RunParts } from "../../planning/run-plan.js";
import type { MethodFacts } from "../method.js";
import { type CompiledOptions, checkNames, type GivenOptions } from "../options/given.js";
import type { OwnOptions, ValuesOf } from "../options/option.js";
import { promptOptions } from "../options/prompt.js";
import { type PlannedRun, planRun } from "./plan-run.js";

/** A prepared run. It can be planned before it is run. */
export interface AskedRun<O extends OwnOptions = OwnOptions> {
  method: MethodFacts<O>;
  model: Model;
  encoded: EncodedPrompt;
  /** The constraint is compiled: that of the options given, or of the tools that they name. */
  options: CompiledOptions;
}

/**
 * Checks names, encodes the prompt and compiles the constraint. Throws as `Run.open` does, and
 * `ERR_CONSTRAINT` where tool calls are required and can't be restricted; with `toolChoice: "auto"`
 * that is a note.
 */
export async function askRun<O extends OwnOptions>(
  method: MethodFacts<O>,
  model: Model,
  prompt: Prompt,
  options: GivenOptions,
): Promise<AskedRun<O>> {
  checkModel("model", model);
  checkNames(method as MethodFacts, options);
  const shaped = promptOptions(options);
  options.signal?.throwIfAborted?.();
  const given = await compiledConstraint(options.constraint);
  const rendered = await model.encodePrompt(prompt, shaped);
  const asked = (encoded: EncodedPrompt, constraint?: CompiledConstraint): AskedRun<O> => {
    const compiled = { ...options, ...(constraint && { constraint }) };
    return { method, model, encoded, options: compiled };
  };
  const constrained = (constraint: CompiledConstraint): AskedRun<O> => {
    const encoded = constrainedPrompt(model, rendered, shaped);
    if (method.expands || options.proposal) {
      refuseConstrainedThoughts(options.proposal ? "A proposal" : method.name, encoded);
    }
    return asked(encoded, constraint);
  };
  if (given !== undefined) return constrained(given);
  const { tools, toolChoice } = options;
  if (!restrictsCalls(toolChoice) || tools === undefined || tools.length === 0) {
    return asked(rendered);
  }
  try {
    return constrained(await constraintOfTools(model, rendered, toolChoice));
  } catch (error) {
    if (toolChoice !== "auto" || !(error instanceof LlamaEtsError)) throw error;
    const note = `The tools' calls are not restricted. ${error.message}`;
    return asked({ ...rendered, notes: [...rendered.notes, note] });
  }
}

/** @param within the parts of shared contexts that the run may take; default: its own contexts */
export function planAsked<O extends OwnOptions>(
  { method, model, encoded, options }: AskedRun<O>,
  within?: RunParts,
): PlannedRun<ValuesOf<O>> {
  return planRun(method, model, options, encoded.tokens.length, within);
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
