/** `auto` for evaluations and requests, where rewards and potentials are given by name and opened later. */
import { namedPotential } from "../rewards/named.js";
import { type AutoChoice, type AutoFacts, chooseMethod, optionsGiven } from "./auto.js";
import type { MethodOptions } from "./registry.js";

export type NamedOptions = Omit<MethodOptions, "reward" | "potential"> & {
  reward?: string;
  potential?: string;
};

/**
 * Like `chooseMethod`.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`
 */
export function chooseByName(options: NamedOptions, facts: AutoFacts): AutoChoice {
  return chooseMethod(unopened(options), facts);
}

/** The options for the chosen method: the given ones, and the chosen ones where none is given. */
export function optionsByName(options: NamedOptions, choice: AutoChoice): NamedOptions {
  const { reward, potential, ...others } = optionsGiven(unopened(options), choice);
  return {
    ...others,
    ...(typeof reward === "object" && { reward: reward.name }),
    ...(typeof potential === "object" && { potential: potential.name }),
  };
}

function unopened({ reward, potential, ...others }: NamedOptions): MethodOptions {
  return {
    ...others,
    ...(reward !== undefined && { reward: namedPotential(reward) }),
    ...(potential !== undefined && { potential: namedPotential(potential) }),
  };
}
