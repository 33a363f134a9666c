/** Where the answer in a text ends. What follows can't change the answer. */
import { checkKeys, checkStrings } from "../engine/check.js";
import type { AnswerEnd } from "../engine/sequences.js";

export type { AnswerEnd };

/** Throws `ERR_INVALID_OPTION`. */
export function checkAnswerEnd(name: string, value: AnswerEnd): AnswerEnd {
  checkKeys(name, value, ["mark", "end"]);
  const { mark, end } = value;
  checkStrings(`${name}'s mark and end`, [mark, end]);
  return { mark, end };
}

/** The text up to the end of its answer; `null` if the answer hasn't ended. */
export function answeredPart(text: string, { mark, end }: AnswerEnd): string | null {
  const marked = text.indexOf(mark);
  const at = marked < 0 ? -1 : text.indexOf(end, marked + mark.length);
  return at < 0 ? null : text.slice(0, at + end.length);
}
