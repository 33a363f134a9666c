/** The text of a grammar in GBNF as it is read: a place in it, and the literals and classes found there. */
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

export class GrammarText {
  readonly #source: string;
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  /** The place, in UTF-16 units from the text's begin. */
  get at(): number {
    return this.#at;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#source.length;
  }

  /** The next UTF-16 unit; "" at the end. */
  get next(): string {
    return this.#source[this.#at] ?? "";
  }

  /** Goes on behind `expected`; false where something else stands here. */
  take(expected: string): boolean {
    if (!this.#source.startsWith(expected, this.#at)) return false;
    this.#at += expected.length;
    return true;
  }

  /** Goes on behind what a sticky pattern finds here; undefined where it finds nothing. */
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

  /** A text in quotes, which begins here. */
  literal(): Expression {
    const start = this.#at++;
    let value = "";
    while (this.next !== '"') value += String.fromCodePoint(this.#character(start, '"'));
    this.#at++;
    if (value.includes("\0")) throw this.wrong("no token spells U+0000", "another text", start);
    return text(value);
  }

  /** A class of characters in brackets, which begins here. */
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

  /** A code point, perhaps escaped, of what began at `start` and ends with `closing`. */
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

  /** `line 3, column 1`. */
  placeOf(at: number): string {
    const before = this.#source.slice(0, at);
    const line = before.split("\n").length;
    return `line ${line}, column ${at - before.lastIndexOf("\n")}`;
  }

  /** `ERR_CONSTRAINT` for what stands here, or at `at`. */
  wrong(what: string, fix: string, at = this.#at) {
    return refusal(`The grammar is wrong at ${this.placeOf(at)}: ${what}`, fix);
  }
}
