import { checkFunction } from "../engine/check.js";
import type { AnswerOptions } from "./answer.js";
import type { Reward } from "./reward.js";
import { exactMatch, verifier } from "./verifier.js";

/**
 * The ground truth: 1 for right texts. It is for studies of what the best possible reward could achieve.
 * Results show its name, `oracle`, in their settings.
 *
 * @param gold the right answer, or a grader of texts
 * @param options how to find the texts' answers, if `gold` is an answer
 * @throws LlamaEtsError `ERR_INVALID_OPTION`
 */
export function oracle(
  gold: string | ((text: string) => boolean | Promise<boolean>),
  options: AnswerOptions = {},
): Reward {
  if (typeof gold === "string") return { ...exactMatch(gold, options), name: "oracle" };
  checkFunction("gold", gold);
  const judge = verifier(({ text }) => gold(text));
  return { ...judge, name: "oracle" };
}
