/** Rewards of 1 for texts that pass a check, 0 for the others. */
import { checkFunction, checkKeys, checkString } from "../engine/check.js";
import { LlamaEtsError, messageOf } from "../engine/errors.js";
import {
  type AnswerOptions,
  answerOf,
  canonicalAnswer,
  checkAnswerOptions,
  endingWithAnswer,
  extractAnswer,
} from "./answer.js";
import type { Completion, Reward, RewardInput } from "./reward.js";
import { withTimeLimit } from "./time-limit.js";

/** Whether a text passes. */
export type Predicate = (completion: Completion, input: RewardInput) => boolean | Promise<boolean>;

/**
 * 1 for texts that the predicate is true of.
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
 * 1 for texts in which the pattern is found; anchor it to match whole texts. A string is a pattern
 * with the flags `su`. Throws `ERR_INVALID_OPTION` for a malformed one.
 */
export function regexVerifier(pattern: RegExp | string): Reward {
  const regex = compile(pattern);
  const name = `regex:${regex.source}`;
  return verifier(
    ({ text }) =>
      withTimeLimit(name, () => {
        regex.lastIndex = 0; // a global pattern would go on from where it stopped
        return regex.test(text);
      }),
    name,
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

/** 1 for texts whose canonical answer is `expected`'s. */
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
