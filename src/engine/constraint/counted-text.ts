/** Texts with a given number of words or lines. */
import {
  complement,
  type Expression,
  intersection,
  type Range,
  repeat,
  sequence,
  set,
  text,
} from "./expression.js";
import { wholeMatches } from "./regular-expression.js";

/** Letters, digits and marks in few ranges. They contain a few other characters, but no white space. */
const LETTER =
  "[0-9A-Za-z\\xAA\\xB5\\xBA\\xC0-\\xD6\\xD8-\\xF6\\xF8-\\u167F\\u1681-\\u1FFF\\u2C00-\\u2DFF\\u3041-\\uD7FF\\uF900-\\uFDFF\\uFE70-\\uFEFC\\u{10000}-\\u{3FFFF}]";
/** A number such as 1,000.5 or 12:30, or letters and digits with inner apostrophes or hyphens (isn't). */
const CORE = `(?:[0-9]+(?:[.,:][0-9]+)+|${LETTER}+(?:['’-]${LETTER}+)*)%?`;
const WORD = `["“‘'(]?[$€£#]?${CORE}["”’')]?`;

/**
 * One line with exactly this many words, separated by single spaces. A word contains letters or digits.
 * A comma, a semicolon or a colon may follow a word, and `.`, `!`, `?` or `…` may follow the last one.
 */
export function wordsText(count: number): Expression {
  const between = wholeMatches(`${WORD}[,;:]? `);
  const last = wholeMatches(`${WORD}(?:[.!?…]["”’')]?)?`);
  return sequence(repeat(between, count - 1, count - 1), last);
}

const LINE_ENDS: Range[] = [
  [0x0a, 0x0d],
  [0x85, 0x85],
  [0x2028, 0x2029],
];
const BLANKS: Range[] = [
  [0x09, 0x09],
  [0x20, 0x20],
];
const MOST_BLANKS = 8;

/**
 * Exactly this many lines, none of them blank, separated by line feeds. A line may be indented by up to
 * eight spaces or tabs, and doesn't end with one.
 */
export function linesText(count: number): Expression {
  const blank = set(BLANKS);
  const isBlankInUnicode: Range[] = [
    [0x00, 0x20],
    [0x7f, 0xa0],
    [0x1680, 0x1680],
    [0x2000, 0x200f],
    [0x2028, 0x202f],
    [0x205f, 0x2064],
    [0x3000, 0x3000],
    [0xfeff, 0xfeff],
  ];
  const visible = set(intersection(complement(isBlankInUnicode), complement(LINE_ENDS)));
  const run = repeat(visible, 1);
  const more = repeat(sequence(repeat(blank, 1, MOST_BLANKS), run), 0);
  const line = sequence(repeat(blank, 0, MOST_BLANKS), run, more);
  return sequence(line, repeat(sequence(text("\n"), line), count - 1, count - 1));
}
