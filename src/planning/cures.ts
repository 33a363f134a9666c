/** Finds the fix for a plan that doesn't fit: a changed setting that would fit. */
import { type ErrorCode, LlamaEtsError } from "../engine/errors.js";
import { largest } from "../engine/largest.js";

/** A change of one setting. */
export type Change = { maxTokens: number } | { candidates: number } | { steps: number };

/** The requested settings, and the unit of an answer's length (for a diffusion model, a whole block). */
export interface Asked {
  candidates: number;
  maxTokens: number;
  unit: number;
}

type Fits = (change: Change) => boolean;

interface Cure {
  find(asked: Asked, fits: Fits): string[];
  otherwise: string;
}

/** For each error, the changes of one setting that make a plan fit, with the largest values that fit. */
const CURES: Partial<Record<ErrorCode, Cure>> = {
  ERR_CONTEXT_FULL: {
    find: longest,
    otherwise: "a shorter prompt, or a model with a longer context",
  },
  ERR_OUT_OF_MEMORY: {
    find: (asked, fits) => [...longest(asked, fits), ...most(asked, fits)],
    otherwise: "a shorter prompt, or a smaller model",
  },
  ERR_INVALID_OPTION: {
    find: (asked, fits) => [...most(asked, fits), ...(fits({ steps: 1 }) ? ["steps: 1"] : [])],
    otherwise: "fewer candidates",
  },
};

/**
 * Makes a plan. If it doesn't fit, throws its error with a change that would fit as the fix.
 *
 * @param attempt plans with the requested settings, or with a change of them
 * @param asked the requested settings; called only if the plan failed
 */
export function planOrCure<T>(attempt: (change?: Change) => T, asked: () => Asked): T {
  try {
    return attempt();
  } catch (error) {
    const cure = error instanceof LlamaEtsError ? CURES[error.code] : undefined;
    if (!(error instanceof LlamaEtsError) || cure === undefined) throw error;
    const fits = (change: Change) => {
      try {
        attempt(change);
        return true;
      } catch {
        return false;
      }
    };
    const found = cure.find(asked(), fits);
    const fix = found.length > 0 ? found.join(" or ") : cure.otherwise;
    throw new LlamaEtsError(error.code, error.message, { fix, cause: error });
  }
}

function longest({ maxTokens, unit }: Asked, fits: Fits): string[] {
  const units = Math.ceil(maxTokens / unit) - 1;
  const tokens = unit * largest(units, (count) => fits({ maxTokens: count * unit }));
  return tokens > 0 ? [`maxTokens: ${tokens}`] : [];
}

function most({ candidates }: Asked, fits: Fits): string[] {
  const count = largest(candidates - 1, (some) => fits({ candidates: some }));
  return count > 0 ? [`candidates: ${count}`] : [];
}
