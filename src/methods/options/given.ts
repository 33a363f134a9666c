/** The names and types of the options that a method takes. */
import { checkKeys } from "../../engine/check.js";
import type { CompiledConstraint, Constraint } from "../../engine/constraint/kinds.js";
import { LlamaEtsError } from "../../engine/errors.js";
import { given } from "../../engine/given.js";
import type { MethodFacts } from "../method.js";
import type { CommonOptions } from "./common.js";
import { COMMON_OPTIONS, GUIDANCE_OPTIONS } from "./common-specs.js";
import type { PotentialOptions } from "./potential.js";
import type { ProposalOptions } from "./proposal.js";

/** All options that a method may take, except its own: the common ones, a proposal's, and a potential. */
export type GivenOptions = CommonOptions & ProposalOptions & PotentialOptions;

/** Options whose constraint may be compiled; it is then part of the policy. */
export type CompiledOptions = Omit<GivenOptions, "constraint"> & {
  constraint?: Constraint | CompiledConstraint;
};

/** Names of the options that every method may be given. */
export const SHARED_NAMES = [...Object.keys(GUIDANCE_OPTIONS), ...Object.keys(COMMON_OPTIONS)];

/** The names of the options that a method alone takes, or shares with few. */
export function ownNames({
  own,
  proposal = {},
  potential = {},
}: Pick<MethodFacts, "own" | "proposal" | "potential">): string[] {
  return [...Object.keys(proposal), ...Object.keys(potential), ...Object.keys(own)];
}

/**
 * Refuses misspelled options and those of other methods, before the other options are used.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`
 */
export function checkNames(method: MethodFacts, options: object): void {
  const missing = Object.keys(method.withProposal?.proposal ?? {}).find(
    (name) => (options as Record<string, unknown>)[name] !== undefined,
  );
  if (missing !== undefined) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", `\`${missing}\` needs a \`proposal\``);
  }
  const { potential } = options as PotentialOptions;
  if (method.proposal !== undefined && potential !== undefined) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `\`potential\` stands for the rollouts that the proposal of ${method.name} would draw`,
      { fix: "one of the two" },
    );
  }
  const known = [...SHARED_NAMES, ...ownNames(method)];
  checkKeys(`options of ${method.name}`, given(options), known);
}
