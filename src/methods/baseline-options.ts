/** The options of beam search and of Metropolis-Hastings methods. */
import { checkInteger, checkNumber } from "../engine/check.js";
import { LlamaEtsError } from "../engine/errors.js";
import type { Sampling } from "../engine/sampling.js";
import type { MethodName } from "./method-names.js";

export interface BaselineOptions {
  /**
   * beam: hypotheses are compared by log p(x) / length^penalty, from 0 (the log-probability itself)
   * to 4. Default 1: its mean over the tokens.
   */
  lengthPenalty?: number;
  /** power: α of the target p_ref^α, from 1 to 100. Default 4. */
  alpha?: number;
  /** Proposals for each text: power, at each block; mh, in all. From 1 to 100000. Default 10. */
  moves?: number;
}

/** Null where the method has no such setting. */
export interface BaselineSettings {
  lengthPenalty: number | null;
  alpha: number | null;
  moves: number | null;
}

/** Below it the engine's sampler overflows. */
const MIN_TEMPERATURE = 0.001;
/** Hypotheses of a beam; two sequences each are in use at once. */
const MAX_WIDTH = 64;

/** Throws `ERR_INVALID_OPTION`. */
export function resolveBaseline(
  method: MethodName,
  { lengthPenalty = 1, alpha = 4, moves = 10 }: BaselineOptions,
  { temperature }: Sampling,
  candidates: number,
): BaselineSettings {
  if (method === "beam") checkInteger("candidates", candidates, 1, MAX_WIDTH);
  const isPower = method === "power";
  if (isPower) {
    checkNumber("alpha", alpha, 1, 100);
    if (temperature > 0 && temperature / alpha < MIN_TEMPERATURE) {
      throw new LlamaEtsError(
        "ERR_INVALID_OPTION",
        `Expected \`temperature\` / \`alpha\`, at which proposals are drawn, to be at least ${MIN_TEMPERATURE}, got ${temperature / alpha}`,
        { fix: `temperature: ${MIN_TEMPERATURE * alpha}` },
      );
    }
  }
  return {
    lengthPenalty: method === "beam" ? checkNumber("lengthPenalty", lengthPenalty, 0, 4) : null,
    alpha: isPower ? alpha : null,
    moves: isPower || method === "mh" ? checkInteger("moves", moves, 1, 100_000) : null,
  };
}
