/** Adaptive spending: few draws where they agree, many where they don't. */
import { checkBoolean, checkInteger, checkKeys, checkNumber, checkOneOf } from "../engine/check.js";
import type { MethodName } from "./method-names.js";

export interface AdaptiveOptions {
  /**
   * When a vote is settled. `beta` (default): by the posterior probability that its leader leads
   * (Aggarwal et al. 2023). `unanimous`, for majority alone: when all texts of the last round give
   * one answer (Li et al., "Escape Sky-high Cost", ICLR 2024).
   */
  rule?: "beta" | "unanimous";
  /**
   * Posterior probability, from .5 to .9999, at which a step's vote counts as settled: the leading
   * answer is then the more frequent of the two first ones. Default .95.
   */
  confidence?: number;
  /**
   * Candidates drawn between two looks, from 1 to 4096. Default 8: only draws of one round share
   * the work on what they have in common.
   */
  round?: number;
}

/** Throws `ERR_INVALID_OPTION`. */
export function resolveAdaptive(
  method: MethodName,
  adaptive: boolean | AdaptiveOptions | undefined,
): Required<AdaptiveOptions> | null {
  const isObject = typeof adaptive === "object" && adaptive !== null;
  if (!isObject && !checkBoolean("adaptive", adaptive ?? false)) return null;
  const { rule = "beta", confidence = 0.95, round = 8 } = isObject ? adaptive : {};
  if (isObject) checkKeys("adaptive", adaptive, ["rule", "confidence", "round"]);
  checkOneOf("adaptive.rule", rule, method === "majority" ? ["beta", "unanimous"] : ["beta"]);
  return {
    rule,
    confidence: checkNumber("adaptive.confidence", confidence, 0.5, 0.9999),
    round: checkInteger("adaptive.round", round, 1, 4096),
  };
}
