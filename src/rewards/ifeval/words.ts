/** Splits texts into words like nltk's tokenizers. */
import { sentencesOf } from "./sentences.js";

const WORD = /[\p{L}\p{N}_]+/gu;

/** Counts runs of letters, digits and underscores. */
export function countWords(text: string): number {
  return text.match(WORD)?.length ?? 0;
}

/** The replacements with which the Penn Treebank tokenizer separates tokens, in its order. */
const SEPARATIONS: readonly [RegExp, string][] = [
  [/[«“‘„]|`+/gu, " $& "],
  [/^"/gu, "``"],
  [/``/gu, " $& "],
  [/([ ([{<])(?:"|'')/gu, "$1 `` "],
  [/(?<![\p{L}\p{N}_])'(?!(?:re|ve|ll|m|t|s|d|n)(?![\p{L}\p{N}_]))(?=[\p{L}\p{N}_])/giu, "' "],
  [/([^.])\.([\])}>"' »”’]*)$/gu, "$1 . $2 "],
  [/([:,])(?=\P{Nd})/gu, " $1 "],
  [/[:,]$/gu, " $& "],
  [/\.{2,}/gu, " $& "],
  [/[;@#$%&\u2012-\u2015?!]/gu, " $& "],
  [/([^'])' /gu, "$1 ' "],
  [/[*\][(){}<>]|--/gu, " $& "],
  [/^|$/gu, " "],
  [/[»”’]|''|"/gu, " $& "],
  [/ +/gu, " "],
  [/([^' ])('[smd]|'|'ll|'re|'ve|n't) /giu, "$1 $2 "],
  [/(?<![\p{L}\p{N}_])(can)(not)(?![\p{L}\p{N}_])/giu, " $1 $2 "],
  [/(?<![\p{L}\p{N}_])(d)('ye)(?![\p{L}\p{N}_])/giu, " $1 $2 "],
  [/(?<![\p{L}\p{N}_])(gim|lem)(me)(?![\p{L}\p{N}_])/giu, " $1 $2 "],
  [/(?<![\p{L}\p{N}_])(gon)(na)(?![\p{L}\p{N}_])/giu, " $1 $2 "],
  [/(?<![\p{L}\p{N}_])(got)(ta)(?![\p{L}\p{N}_])/giu, " $1 $2 "],
  [/(?<![\p{L}\p{N}_])(more)('n)(?![\p{L}\p{N}_])/giu, " $1 $2 "],
  [/(?<![\p{L}\p{N}_])(wan)(na)(?= )/giu, " $1 $2 "],
  [/ ('t)(is|was)(?![\p{L}\p{N}_])/giu, " $1 $2 "],
];

/** Counts tokens with capital letters and without lower-case ones. */
export function countCapitalWords(text: string): number {
  return sentencesOf(text).flatMap(tokensOf).filter(isUpper).length;
}

function tokensOf(sentence: string): string[] {
  let text = sentence.replace(/\s+/g, " ");
  for (const [pattern, separated] of SEPARATIONS) text = text.replace(pattern, separated);
  return text.split(" ").filter((token) => token !== "");
}

/** Whether a text has capital letters and no lower-case ones. */
export function isUpper(text: string): boolean {
  return /\p{Uppercase}/u.test(text) && !/\p{Lowercase}|\p{Lt}/u.test(text);
}

/** Whether a text has lower-case letters and no capital ones. */
export function isLower(text: string): boolean {
  return /\p{Lowercase}/u.test(text) && !/\p{Uppercase}|\p{Lt}/u.test(text);
}
