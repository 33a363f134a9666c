/** The methods, and what each fixes whatever its caller asks. */
import type { Settings } from "./options.js";

export const METHOD_NAMES = ["ets", "ets-is", "best-of-n", "majority", "sample", "greedy"] as const;

export type MethodName = (typeof METHOD_NAMES)[number];

type Fixed = Partial<Pick<Settings, "candidates" | "rollouts" | "steps" | "blockTokens">>;

export function fixSettings(method: MethodName, { maxTokens }: Settings): Fixed {
  if (method === "ets" || method === "ets-is") return {};
  const oneStep = { rollouts: 1, steps: 1, blockTokens: maxTokens };
  return method === "sample" || method === "greedy" ? { ...oneStep, candidates: 1 } : oneStep;
}
