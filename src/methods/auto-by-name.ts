/** `auto` where rewards and potentials are given by name, and opened later: evaluations and requests. */
import { namedPotential } from "../rewards/named.js";
import { type AutoChoice, type AutoFacts, chooseMethod, optionsGiven } from "./auto.js";
import type { MethodOptions } from "./registry.js";

export type NamedOptions = Omit<MethodOptions, "reward" | "potential"> & {
  reward?: string;
  potential?: string;
};

/**
 * As `chooseMethod`.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`
 */
export function chooseByName(options: NamedOptions, facts: AutoFacts): AutoChoice {
  return chooseMethod(unopened(options), facts);
}

/** What the chosen method is called with: what was given, then what was chosen. */
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
