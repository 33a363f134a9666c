/** Where the answer in a text ends: from there on nothing can change what it answers. */
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

/** The text as far as its answer reaches; `null` while that hasn't ended. */
export function answeredPart(text: string, { mark, end }: AnswerEnd): string | null {
  const marked = text.indexOf(mark);
  const at = marked < 0 ? -1 : text.indexOf(end, marked + mark.length);
  return at < 0 ? null : text.slice(0, at + end.length);
}

/**
 * What of an unfinished text tells where it ends: back to the answer's mark, or as far as a mark or
 * a stop string may have begun.
 */
export function tailOf(text: string, stop: readonly string[], answerEnd: AnswerEnd | null): string {
  const strings = answerEnd === null ? stop : [...stop, answerEnd.mark];
  const longest = Math.max(1, ...strings.map((s) => s.length));
  const begun = Math.max(0, text.length - longest);
  const marked = answerEnd === null ? -1 : text.indexOf(answerEnd.mark);
  return text.slice(marked < 0 ? begun : Math.min(marked, begun));
}
