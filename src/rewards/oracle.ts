import type { AnswerExtractor } from "./answer.js";
import type { Reward } from "./reward.js";
import { exactMatch, verifier } from "./verifier.js";

/**
 * The ground truth: 1 for right texts. For studies of what the best reward could give; results carry
 * its name, `oracle`, in their settings.
 *
 * @param gold the right answer, or a grader of texts
 */
export function oracle(
  gold: string | ((text: string) => boolean | Promise<boolean>),
  options: { extract?: AnswerExtractor } = {},
): Reward {
  const judge =
    typeof gold === "string" ? exactMatch(gold, options) : verifier(({ text }) => gold(text));
  return { ...judge, name: "oracle" };
}
