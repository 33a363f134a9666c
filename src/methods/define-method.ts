/** Methods as objects that can be called: a method is what it says of itself, and its algorithm. */

import type { Prompt } from "../engine/chat/conversation.js";
import type { Model } from "../engine/engine.js";
import type { MethodFacts } from "./method.js";
import type { GivenOf, OwnOptions, ValuesOf } from "./option.js";
import type { CommonOptions } from "./options.js";
import type { ProposalOptions } from "./proposal-options.js";
import type { GivenOptions } from "./resolve-options.js";
import type { Result } from "./result.js";
import type { Run } from "./run.js";

/** A method's facts and its algorithm. */
export interface Definition<O extends OwnOptions> extends MethodFacts<O> {
  run(run: Run<ValuesOf<O>>): Promise<Result>;
}

/** A method: called, it draws a text; its properties say what it is. */
export interface Method<Options = never, O extends OwnOptions = OwnOptions> extends MethodFacts<O> {
  (model: Model, prompt: Prompt, options?: Options): Promise<Result>;
}

/** What a method that has no other options takes. */
export type OptionsOf<O extends OwnOptions> = CommonOptions & GivenOf<O>;

/** Makes a method of its definition. `Options` are what its callers may give. */
export function defineMethod<const O extends OwnOptions, Options = OptionsOf<O>>(
  definition: Definition<O>,
): Method<Options, O> {
  const { run: draw, name, ...facts } = definition;
  const call = async (model: Model, prompt: Prompt, options?: Options): Promise<Result> => {
    const given: GivenOptions = options ?? {};
    const { withProposal } = facts;
    if (withProposal !== undefined && given.proposal !== undefined) {
      return (withProposal as Method<GivenOptions>)(model, prompt, given);
    }
    // What draws is loaded when something is drawn.
    const { Run } = await import("./run.js");
    await using run = await Run.open(definition, model, prompt, given);
    return await draw(run);
  };
  Object.defineProperty(call, "name", { value: name });
  return Object.assign(call, facts) as Method<Options, O>;
}

/** The options of ETS with a proposal. */
export type ProposedOptions = CommonOptions & ProposalOptions;
