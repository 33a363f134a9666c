/** Adaptive spending: few draws where they agree, many where they don't. */
import { checkBoolean, checkInteger, checkKeys, checkNumber } from "../engine/check.js";

export interface AdaptiveOptions {
  /**
   * Posterior probability, from .5 to .9999, at which a step's vote counts as settled: the leading
   * answer is then the more frequent of the two first ones. Default .95.
   */
  confidence?: number;
  /** Candidates drawn between two looks, from 1 to 4096. Default 4. */
  round?: number;
}

/** Throws `ERR_INVALID_OPTION`. */
export function resolveAdaptive(
  adaptive: boolean | AdaptiveOptions | undefined,
): Required<AdaptiveOptions> | null {
  const isObject = typeof adaptive === "object" && adaptive !== null;
  if (!isObject && !checkBoolean("adaptive", adaptive ?? false)) return null;
  const { confidence = 0.95, round = 4 } = isObject ? adaptive : {};
  if (isObject) checkKeys("adaptive", adaptive, ["confidence", "round"]);
  return {
    confidence: checkNumber("adaptive.confidence", confidence, 0.5, 0.9999),
    round: checkInteger("adaptive.round", round, 1, 4096),
  };
}
