/** Rewards that are 1 for texts that pass a check, and 0 for others. */
import { checkFunction, checkKeys, checkString } from "../engine/check.js";
import { LlamaEtsError, messageOf } from "../engine/errors.js";
import { withTimeLimit } from "../engine/time-limit.js";
import {
  type AnswerOptions,
  answerOf,
  canonicalAnswer,
  checkAnswerOptions,
  endingWithAnswer,
  extractAnswer,
} from "./answer.js";
import type { Completion, Reward, RewardInput } from "./reward.js";

const LIMIT_MS = 1000;

/** Whether a text passes. */
export type Predicate = (completion: Completion, input: RewardInput) => boolean | Promise<boolean>;

/**
 * 1 for texts for which the predicate returns true.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`
 */
export function verifier(predicate: Predicate, name = "verifier"): Reward {
  checkFunction("predicate", predicate);
  checkString("name", name);
  return {
    name,
    score: (input) =>
      Promise.all(
        input.pool.map(async (completion) => {
          const passes = await predicate(completion, input);
          if (typeof passes === "boolean") return passes ? 1 : 0;
          throw new LlamaEtsError(
            "ERR_REWARD",
            `Expected the reward \`${name}\` to say true or false, got \`${passes}\``,
          );
        }),
      ),
  };
}

/**
 * 1 for texts in which the pattern is found. Anchor the pattern to match whole texts. A string is a pattern
 * with the flags `su`. Throws `ERR_INVALID_OPTION` for an invalid pattern.
 */
export function regexVerifier(pattern: RegExp | string): Reward {
  const regex = compile(pattern);
  const name = `regex:${regex.source}`;
  return verifier(
    ({ text }) =>
      inTime(name, () => {
        regex.lastIndex = 0; // otherwise a global pattern would continue after its last match
        return regex.test(text);
      }),
    name,
  );
}

/**
 * Judges a text in at most one second, because a model's text can make a harmless pattern backtrack almost
 * forever. Throws `ERR_REWARD` if it takes longer.
 */
export function inTime<T>(what: string, work: () => T): T {
  return withTimeLimit(
    LIMIT_MS,
    work,
    () =>
      new LlamaEtsError("ERR_REWARD", `${what} took more than ${LIMIT_MS} ms on one text`, {
        fix: "a pattern without nested repetition",
      }),
  );
}

function compile(pattern: RegExp | string): RegExp {
  if (pattern instanceof RegExp) return new RegExp(pattern);
  try {
    return new RegExp(checkString("pattern", pattern), "su");
  } catch (error) {
    if (error instanceof LlamaEtsError) throw error;
    throw new LlamaEtsError("ERR_INVALID_OPTION", messageOf(error), {
      fix: "JavaScript's syntax, with special characters escaped",
      cause: error,
    });
  }
}

/**
 * 1 for texts whose canonical answer equals that of `expected`, otherwise 0.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`
 */
export function exactMatch(expected: string, options: AnswerOptions = {}): Reward {
  checkKeys("exactMatch", options, ["extract", "answerEnd"]);
  checkAnswerOptions(options);
  const { extract = extractAnswer, answerEnd } = options;
  const right = canonicalAnswer(checkString("expected", expected));
  const matches = verifier(
    ({ text }) => answerOf(text, extract, answerEnd) === right,
    "exact-match",
  );
  return { ...matches, ...endingWithAnswer(options) };
}
