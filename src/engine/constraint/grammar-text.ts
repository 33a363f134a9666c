/** A reader's position in the text of a GBNF grammar, and the parsers of literals and character classes. */
import { complement, type Expression, type Range, set, text } from "./expression.js";
import { refusal } from "./refusal.js";

export const SPACE = /(?:[ \t]|#[^\r\n]*)*/y;
export const SPACE_OR_NEWLINE = /(?:[ \t\r\n]|#[^\r\n]*)*/y;
const DIGITS = /[0-9]+/y;
const HEX_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };
const ESCAPES: Readonly<Record<string, string>> = {
  t: "\t",
  r: "\r",
  n: "\n",
  "\\": "\\",
  '"': '"',
  "[": "[",
  "]": "]",
  "-": "-",
};

/** The source of a grammar, and the current position in it. */
export class GrammarText {
  readonly #source: string;
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  /** The current position, in UTF-16 code units from the beginning. */
  get at(): number {
    return this.#at;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#source.length;
  }

  /** The next UTF-16 code unit; "" at the end. */
  get next(): string {
    return this.#source[this.#at] ?? "";
  }

  /** Moves past `expected`. Returns false, and doesn't move, if something else comes next. */
  take(expected: string): boolean {
    if (!this.#source.startsWith(expected, this.#at)) return false;
    this.#at += expected.length;
    return true;
  }

  /** Moves past the match of a sticky pattern, and returns it; undefined if it doesn't match here. */
  match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  skip(space: RegExp): void {
    this.match(space);
  }

  number(): number | undefined {
    const digits = this.match(DIGITS);
    return digits === undefined ? undefined : Number(digits);
  }

  /** Reads a text in quotes, which begins here. */
  literal(): Expression {
    const start = this.#at++;
    let value = "";
    while (this.next !== '"') value += String.fromCodePoint(this.#character(start, '"'));
    this.#at++;
    if (value.includes("\0")) throw this.wrong("no token spells U+0000", "another text", start);
    return text(value);
  }

  /** Reads a class of characters in brackets, which begins here. */
  characterClass(): Expression {
    const start = this.#at++;
    const isNegated = this.take("^");
    const ranges: Range[] = [];
    while (this.next !== "]") {
      const from = this.#character(start, "]");
      let to = from;
      if (this.next === "-" && this.#source[this.#at + 1] !== "]") {
        this.#at++;
        to = this.#character(start, "]");
      }
      if (to < from) throw this.wrong("a range of characters runs backwards", "[a-z]", start);
      ranges.push([from, to]);
    }
    this.#at++;
    if (ranges.length === 0) {
      const fix = isNegated ? "`.`" : "some, such as [a-z]";
      throw this.wrong("a class has no characters", fix, start);
    }
    return set(isNegated ? complement(ranges) : ranges);
  }

  /** Reads a code point, perhaps escaped, of the literal or class that began at `start`. */
  #character(start: number, closing: string): number {
    const point = this.#source.codePointAt(this.#at);
    if (point === undefined) {
      throw this.wrong(`\`${closing}\` is missing`, `\`${closing}\``, start);
    }
    if (this.next === "\\") return this.#escaped(closing);
    this.#at += point > 0xffff ? 2 : 1;
    return point;
  }

  #escaped(closing: string): number {
    const kind = this.#source[this.#at + 1] ?? "";
    const digits = HEX_DIGITS[kind];
    if (digits === undefined) {
      const escaped = ESCAPES[kind];
      if (escaped === undefined) {
        const known = Object.keys(ESCAPES).join(" \\");
        throw this.wrong(`\`\\${kind}\` is no escape`, `one of \\${known}`);
      }
      this.#at += 2;
      return escaped.codePointAt(0) ?? 0;
    }
    const hex = this.#source.slice(this.#at + 2, this.#at + 2 + digits);
    const isHex = hex.length === digits && /^[0-9A-Fa-f]+$/.test(hex);
    const value = isHex ? Number.parseInt(hex, 16) : -1;
    const isSurrogate = value >= 0xd800 && value <= 0xdfff;
    if (value < 0 || value > 0x10ffff || (isSurrogate && closing === '"')) {
      const what = `\`\\${kind}\` needs ${digits} hexadecimal digits of a character`;
      throw this.wrong(what, "\\u00E9");
    }
    this.#at += 2 + digits;
    return value;
  }

  /** A position in words, such as `line 3, column 1`. */
  placeOf(at: number): string {
    const before = this.#source.slice(0, at);
    const line = before.split("\n").length;
    return `line ${line}, column ${at - before.lastIndexOf("\n")}`;
  }

  /** The `ERR_CONSTRAINT` for a fault at the current position, or at `at`. */
  wrong(what: string, fix: string, at = this.#at) {
    return refusal(`The grammar is wrong at ${this.placeOf(at)}: ${what}`, fix);
  }
}
