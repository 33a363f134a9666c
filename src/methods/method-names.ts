/** The methods, the options that are theirs alone, and what each fixes whatever its caller asks. */
import { LlamaEtsError } from "../engine/errors.js";
import type { Settings } from "./options.js";

export const METHOD_NAMES = ["ets", "ets-is", "best-of-n", "majority", "sample", "greedy"] as const;

export type MethodName = (typeof METHOD_NAMES)[number];

/** Options that only some methods take; the others are common to all. */
const OWN_OPTIONS: Readonly<Record<string, readonly MethodName[]>> = {
  proposal: ["ets-is"],
  proposalSampling: ["ets-is"],
  proposalDiffusion: ["ets-is"],
  ratio: ["ets-is"],
  weights: ["ets-is"],
  mixture: ["ets-is"],
};

export function takesOption(method: MethodName, option: string): boolean {
  return OWN_OPTIONS[option]?.includes(method) ?? true;
}

/** Throws `ERR_INVALID_OPTION` for an option of another method. */
export function checkOwnOptions(method: MethodName, options: object): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || takesOption(method, name)) continue;
    const methods = OWN_OPTIONS[name]?.join(", ");
    throw new LlamaEtsError("ERR_INVALID_OPTION", `\`${name}\` is for ${methods}, not ${method}`);
  }
}

type Fixed = Partial<Pick<Settings, "candidates" | "rollouts" | "steps" | "blockTokens">>;

export function fixSettings(method: MethodName, { maxTokens }: Settings): Fixed {
  if (method === "ets" || method === "ets-is") return {};
  const oneStep = { rollouts: 1, steps: 1, blockTokens: maxTokens };
  return method === "sample" || method === "greedy" ? { ...oneStep, candidates: 1 } : oneStep;
}
