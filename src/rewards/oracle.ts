import type { AnswerOptions } from "./answer.js";
import type { Reward } from "./reward.js";
import { exactMatch, verifier } from "./verifier.js";

/**
 * The ground truth: 1 for right texts. For studies of what the best reward could give; results carry
 * its name, `oracle`, in their settings.
 *
 * @param gold the right answer, or a grader of texts
 * @param options where the texts' answers are, for a right answer
 */
export function oracle(
  gold: string | ((text: string) => boolean | Promise<boolean>),
  options: AnswerOptions = {},
): Reward {
  const judge =
    typeof gold === "string" ? exactMatch(gold, options) : verifier(({ text }) => gold(text));
  return { ...judge, name: "oracle" };
}
