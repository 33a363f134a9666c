/** Methods are functions with properties: the properties describe the method, and a call runs it. */

import type { Prompt } from "../engine/chat/conversation.js";
import { checkObject, optional } from "../engine/check.js";
import type { Model } from "../engine/engine.js";
import type { Plan, RunParts } from "../planning/run-plan.js";
import type { MethodFacts } from "./method.js";
import type { CommonOptions } from "./options/common.js";
import type { GivenOptions } from "./options/given.js";
import type { GivenOf, OwnOptions, ValuesOf } from "./options/option.js";
import type { ProposalOptions } from "./options/proposal.js";
import type { Result } from "./result.js";
import type { Run } from "./run/run.js";

/** A method's facts and its algorithm. */
export interface Definition<O extends OwnOptions> extends MethodFacts<O> {
  run(run: Run<ValuesOf<O>>): Promise<Result>;
}

/** A method. A call draws a text; the properties describe the method. */
export interface Method<Options = never, O extends OwnOptions = OwnOptions> extends MethodFacts<O> {
  (model: Model, prompt: Prompt, options?: Options): Promise<Result>;
  /** Encodes the prompt, so that the run can be planned and begun later. */
  prepare(model: Model, prompt: Prompt, options?: Options): Promise<PreparedRun>;
}

/** A run whose prompt is encoded. It may be begun several times, for example with other seeds. */
export interface PreparedRun {
  /** What the run needs. Throws as the method does if that doesn't fit. */
  plan(within?: RunParts): Plan;
  /** @param within the parts of shared contexts that the run may take; default: its own contexts */
  begin(own?: OfOneRun, within?: RunParts): Promise<Result>;
}

/** Options in which runs of one prepared run differ. */
type OfOneRun = Pick<CommonOptions, "seed" | "signal" | "onText" | "onStep">;

/** The options of a method: the common ones and its own. */
export type OptionsOf<O extends OwnOptions> = CommonOptions & GivenOf<O>;

/** Makes a method from its definition. `Options` is the type of the options that callers may give. */
export function defineMethod<const O extends OwnOptions, Options = OptionsOf<O>>(
  definition: Definition<O>,
): Method<Options, O> {
  const { run: draw, name, ...facts } = definition;
  const prepare = async (model: Model, prompt: Prompt, options?: Options): Promise<PreparedRun> => {
    const given: GivenOptions = optional(checkObject, "options", options) ?? {};
    const { withProposal } = facts;
    if (withProposal !== undefined && given.proposal !== undefined) {
      return (withProposal as Method<GivenOptions>).prepare(model, prompt, given);
    }
    // The modules that draw are loaded on first use. They are loaded one after the other, because Jest 29
    // can't link two modules at the same time that import the same ones.
    const { Run } = await import("./run/run.js");
    const { askRun, planAsked } = await import("./run/ask-run.js");
    const asked = await askRun(definition, model, prompt, given);
    return {
      plan: (within) => planAsked(asked, within).plan,
      async begin(own = {}, within) {
        const one = { ...asked, options: { ...asked.options, ...own } };
        await using run = await Run.open(one, within);
        return await draw(run);
      },
    };
  };
  const call = async (model: Model, prompt: Prompt, options?: Options): Promise<Result> =>
    (await prepare(model, prompt, options)).begin();
  Object.defineProperty(call, "name", { value: name });
  return Object.assign(call, facts, { prepare }) as Method<Options, O>;
}

/** The options of ETS with a proposal. */
export type ProposedOptions = CommonOptions & ProposalOptions;
