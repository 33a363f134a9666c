/** Finds answers in texts, and brings them into one form so that equal answers can be recognized. */
import { type AnswerEnd, answeredPart, checkAnswerEnd } from "../chain/answer-end.js";
import { checkFunction, checkString, optional } from "../engine/check.js";
import { LlamaEtsError, messageOf } from "../engine/errors.js";
import type { AnswerExtractor, Reward } from "./reward.js";

const NUMBER = String.raw`-?\$?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?`;

/**
 * The answer of a text in one of the usual forms: `#### 18`, `\boxed{18}`, `the answer is 18`, or else the
 * last number. The first of these forms that occurs is used, and of it the last occurrence.
 */
export function extractAnswer(text: string): string | null {
  const marked = lastMatch(checkString("text", text), /####[ \t]*([^\n]+)/g);
  if (marked !== null) return marked;
  const boxed = lastBoxed(text);
  if (boxed !== null) return boxed;
  const stated = lastMatch(
    text,
    /\banswer(?:\s+is)?\s*:?\s*\(?([^\s(),.][^\n]*?)\)?\.?\s*(?:$|\n|\.\s)/gi,
  );
  if (stated !== null) return stated;
  return lastMatch(text, new RegExp(`(${NUMBER})`, "g"));
}

function lastMatch(text: string, pattern: RegExp): string | null {
  const found = [...text.matchAll(pattern)]
    .map((match) => (match[1] ?? "").trim())
    .filter((answer) => /[\p{L}\p{N}]/u.test(answer));
  return found.at(-1) ?? null;
}

/** The content of the last `\boxed{…}`, with braces balanced. */
function lastBoxed(text: string): string | null {
  const start = text.lastIndexOf("\\boxed{");
  if (start < 0) return null;
  const from = start + "\\boxed{".length;
  let depth = 1;
  for (let i = from; i < text.length; i++) {
    if (text[i] === "{") depth++;
    if (text[i] === "}" && --depth === 0) return text.slice(from, i).trim();
  }
  return null;
}

/**
 * Brings equal answers into one form, so that their votes count together. Numbers lose thousands commas,
 * currency signs, trailing zeros and a full stop, but keep a percent sign (`$70,000.00` is `70000`).
 * Other text becomes lower case with single spaces.
 */
export function canonicalAnswer(answer: string): string {
  const text = withoutEnd(checkString("answer", answer).trim(), /[.\s]/);
  const number = text.replace(/[$€£\s]/g, "").replace(/,(?=\d{3}(\D|$))/g, "");
  if (/^[+-]?(\d+(\.\d*)?|\.\d+)$/.test(number)) return canonicalNumber(number);
  return text.toLowerCase().replace(/\s+/g, " ");
}

/**
 * The text without such characters at its end. A regular expression for this could take quadratic time,
 * because it would start at each such character anywhere in the text.
 */
function withoutEnd(text: string, character: RegExp): string {
  let end = text.length;
  while (end > 0 && character.test(text[end - 1] as string)) end--;
  return text.slice(0, end);
}

/** Works on the digits and not on a double, because rounding could make long numbers equal. */
function canonicalNumber(number: string): string {
  const [whole = "", fraction = ""] = number.replace(/^[+-]/, "").split(".");
  const digits = whole.replace(/^0+(?=\d)/, "") || "0";
  const decimals = withoutEnd(fraction, /0/);
  const value = decimals === "" ? digits : `${digits}.${decimals}`;
  return number.startsWith("-") && value !== "0" ? `-${value}` : value;
}

/** The canonical answer of a text. With `answerEnd`, the text after the answer's end is ignored. */
export function answerOf(
  text: string,
  extract: AnswerExtractor,
  answerEnd?: AnswerEnd,
): string | null {
  const answer = extracted((answerEnd && answeredPart(text, answerEnd)) ?? text, extract);
  if (answer === null) return null;
  const found = checkString("what `extract` returns", answer);
  return extract.isCanonical === true ? found : canonicalAnswer(found);
}

/** Calls the user's function. Throws `ERR_INVALID_OPTION` if the function throws. */
function extracted(text: string, extract: AnswerExtractor): unknown {
  try {
    return extract(text);
  } catch (error) {
    if (error instanceof LlamaEtsError) throw error;
    throw new LlamaEtsError("ERR_INVALID_OPTION", `\`extract\` failed: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** Possible continuations of a text that was cut off: the rest of a number, or another number. */
const CONTINUATIONS = ["0817263", "\n0817263"];

/** The answer of a text that was cut off; null if a continuation could have changed it. */
export function settledAnswer(text: string, extract: AnswerExtractor): string | null {
  const answer = answerOf(text, extract);
  const isSettled = CONTINUATIONS.every((more) => answerOf(text + more, extract) === answer);
  return isSettled ? answer : null;
}

export interface AnswerOptions {
  /** Finds a text's answer. Default: the usual forms (`extractAnswer`). */
  extract?: AnswerExtractor;
  /**
   * Where a text's answer ends, such as `{ mark: "####", end: "\n" }`. The text after it is ignored, so
   * rollouts end there. Default: the whole text counts.
   */
  answerEnd?: AnswerEnd;
}

/** Throws `ERR_INVALID_OPTION`. */
export function checkAnswerOptions({ extract, answerEnd }: AnswerOptions): void {
  optional(checkFunction, "extract", extract);
  optional(checkAnswerEnd, "answerEnd", answerEnd);
}

/** The properties with which a reward that depends only on answers judges unfinished texts. */
export function endingWithAnswer({
  answerEnd,
}: AnswerOptions): Pick<Reward, "answerEnd" | "isDecided"> {
  if (answerEnd === undefined) return {};
  return { answerEnd, isDecided: (text) => answeredPart(text, answerEnd) !== null };
}
