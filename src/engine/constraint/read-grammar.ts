/**
 * Reads grammars in GBNF as llama.cpp does, and says where one is wrong. What llama.cpp takes silently
 * for something else is refused: empty classes, ranges that run backwards, rules of one name, upper
 * bounds of repetitions that it drops.
 */
import {
  choice,
  complement,
  type Expression,
  type Grammar,
  isEmpty,
  isSpellable,
  type Range,
  repeat,
  rule,
  sequence,
  set,
  text,
} from "./expression.js";
import { MAX_GRAMMAR_LENGTH, MAX_GROUP_DEPTH, MAX_REPEATS } from "./limits.js";
import { excerpt, refusal } from "./refusal.js";

const NAME = /[A-Za-z0-9-]+/y;
const SPACE = /(?:[ \t]|#[^\r\n]*)*/y;
const SPACE_OR_NEWLINE = /(?:[ \t\r\n]|#[^\r\n]*)*/y;
const DIGITS = /[0-9]+/y;
const HEX_DIGITS: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };
const ESCAPES: Readonly<Record<string, string>> = {
  ...{ t: "\t", r: "\r", n: "\n", "\\": "\\", '"': '"', "[": "[", "]": "]", "-": "-" },
};

export interface ReadGrammar {
  rules: Grammar;
  /** Where a rule is defined: `line 3, column 1`. */
  placeOf(name: string): string;
}

/** Throws `ERR_CONSTRAINT` with the line and column. */
export function readGrammar(source: string): ReadGrammar {
  if (source.length > MAX_GRAMMAR_LENGTH) {
    const most = MAX_GRAMMAR_LENGTH.toLocaleString("en");
    throw refusal(
      `Expected a grammar of at most ${most} characters, got ${source.length}`,
      "a smaller grammar",
    );
  }
  if (!isSpellable(source)) {
    const what = source.includes("\0") ? "the character U+0000" : "half of a surrogate pair";
    throw refusal(`The grammar holds ${what}, which no token spells`, "a text without it");
  }
  return new Reader(source).read();
}

class Reader {
  readonly #source: string;
  #at = 0;
  readonly #rules: Grammar = new Map();
  readonly #definedAt = new Map<string, number>();
  readonly #usedAt = new Map<string, number>();

  constructor(source: string) {
    this.#source = source;
  }

  read(): ReadGrammar {
    this.#skip(SPACE_OR_NEWLINE);
    while (this.#at < this.#source.length) this.#rule();
    if (!this.#rules.has("root")) {
      const names = [...this.#rules.keys()].join(", ");
      throw refusal(
        `The grammar has no rule \`root\`${names === "" ? "" : `, only ${excerpt(names)}`}`,
        'a first line such as root ::= "yes" | "no"',
      );
    }
    for (const [name, at] of this.#usedAt) {
      if (!this.#rules.has(name)) {
        throw this.#wrong(
          `the rule \`${name}\` is used and not defined`,
          `a line ${name} ::= …`,
          at,
        );
      }
    }
    const placeOf = (name: string) => this.#place(this.#definedAt.get(name) ?? 0);
    return { rules: this.#rules, placeOf };
  }

  #rule(): void {
    const start = this.#at;
    const name = this.#match(NAME);
    if (name === undefined) throw this.#wrong("a rule's name should begin here", RULE_FORM);
    if (this.#rules.has(name)) {
      throw this.#wrong(`the rule \`${name}\` is defined twice`, "one rule, with | in it", start);
    }
    this.#skip(SPACE);
    if (!this.#source.startsWith("::=", this.#at)) {
      throw this.#wrong(`\`::=\` should follow the rule's name \`${excerpt(name)}\``, RULE_FORM);
    }
    this.#at += 3;
    this.#skip(SPACE_OR_NEWLINE);
    this.#definedAt.set(name, start);
    this.#rules.set(name, this.#alternatives(0));
    if (this.#at < this.#source.length && !/[\r\n]/.test(this.#next())) {
      throw this.#wrong(`\`${this.#next()}\` can't stand here`, "a new line before the next rule");
    }
    this.#skip(SPACE_OR_NEWLINE);
  }

  #alternatives(depth: number): Expression {
    const options = [this.#sequence(depth)];
    while (this.#next() === "|") {
      this.#at++;
      this.#skip(SPACE_OR_NEWLINE);
      options.push(this.#sequence(depth));
    }
    return choice(options);
  }

  #sequence(depth: number): Expression {
    const space = depth > 0 ? SPACE_OR_NEWLINE : SPACE;
    const parts: Expression[] = [];
    for (;;) {
      const item = this.#item(depth);
      if (item === undefined) return sequence(...parts);
      this.#skip(space);
      parts.push(this.#repeated(item, space));
    }
  }

  #item(depth: number): Expression | undefined {
    const start = this.#at;
    switch (this.#next()) {
      case '"':
        return this.#literal();
      case "[":
        return this.#characterClass();
      case "(": {
        if (depth === MAX_GROUP_DEPTH) {
          throw this.#wrong(`groups nest deeper than ${MAX_GROUP_DEPTH}`, "rules of their own");
        }
        this.#at++;
        this.#skip(SPACE_OR_NEWLINE);
        const inner = this.#alternatives(depth + 1);
        if (this.#next() !== ")") throw this.#wrong("`)` is missing", "`)`, or fewer `(`");
        this.#at++;
        return inner;
      }
      case ".":
        this.#at++;
        return set(complement([]));
      case "<":
      case "!":
        throw this.#wrong("tokens by name or number aren't supported", "their text as a literal");
      default: {
        const name = this.#match(NAME);
        if (name === undefined) return undefined;
        if (!this.#usedAt.has(name)) this.#usedAt.set(name, start);
        return rule(name);
      }
    }
  }

  #literal(): Expression {
    const start = this.#at;
    this.#at++;
    let value = "";
    while (this.#next() !== '"') value += String.fromCodePoint(this.#character(start, '"'));
    this.#at++;
    if (value.includes("\0")) throw this.#wrong("no token spells U+0000", "another text", start);
    return text(value);
  }

  #characterClass(): Expression {
    const start = this.#at;
    this.#at++;
    const isNegated = this.#next() === "^";
    if (isNegated) this.#at++;
    const ranges: Range[] = [];
    while (this.#next() !== "]") {
      const from = this.#character(start, "]");
      let to = from;
      if (this.#next() === "-" && this.#source[this.#at + 1] !== "]") {
        this.#at++;
        to = this.#character(start, "]");
      }
      if (to < from) throw this.#wrong("a range of characters runs backwards", "[a-z]", start);
      ranges.push([from, to]);
    }
    this.#at++;
    if (ranges.length === 0) {
      throw this.#wrong(
        "a class has no characters",
        isNegated ? "`.`" : "some, such as [a-z]",
        start,
      );
    }
    return set(isNegated ? complement(ranges) : ranges);
  }

  /** A code point, perhaps escaped. */
  #character(start: number, closing: string): number {
    const point = this.#source.codePointAt(this.#at);
    if (point === undefined)
      throw this.#wrong(`\`${closing}\` is missing`, `\`${closing}\``, start);
    if (this.#next() !== "\\") {
      this.#at += point > 0xffff ? 2 : 1;
      return point;
    }
    const kind = this.#source[this.#at + 1] ?? "";
    const digits = HEX_DIGITS[kind];
    if (digits !== undefined) {
      const hex = this.#source.slice(this.#at + 2, this.#at + 2 + digits);
      const value =
        /^[0-9A-Fa-f]+$/.test(hex) && hex.length === digits ? Number.parseInt(hex, 16) : -1;
      const isSurrogate = value >= 0xd800 && value <= 0xdfff;
      if (value < 0 || value > 0x10ffff || (isSurrogate && closing === '"')) {
        throw this.#wrong(
          `\`\\${kind}\` needs ${digits} hexadecimal digits of a character`,
          "\\u00E9",
        );
      }
      this.#at += 2 + digits;
      return value;
    }
    const escaped = ESCAPES[kind];
    if (escaped === undefined) {
      throw this.#wrong(
        `\`\\${kind}\` is no escape`,
        `one of \\${Object.keys(ESCAPES).join(" \\")}`,
      );
    }
    this.#at += 2;
    return escaped.codePointAt(0) ?? 0;
  }

  #repeated(item: Expression, space: RegExp): Expression {
    const start = this.#at;
    const times = this.#times(space);
    if (times === undefined) return item;
    if (isEmpty(item))
      throw this.#wrong("the empty text can't be repeated", "no repetition", start);
    this.#skip(space);
    const again = this.#at;
    if (this.#times(space) !== undefined) {
      throw this.#wrong("a repetition is repeated", "a group around the first one", again);
    }
    return repeat(item, times.min, times.max);
  }

  #times(space: RegExp): { min: number; max: number } | undefined {
    const start = this.#at;
    const sign = this.#next();
    if (sign === "*" || sign === "+" || sign === "?") {
      this.#at++;
      const max = sign === "?" ? 1 : Number.POSITIVE_INFINITY;
      return { min: sign === "+" ? 1 : 0, max };
    }
    if (sign !== "{") return undefined;
    this.#at++;
    this.#skip(space);
    const min = this.#number();
    let max: number | undefined = min;
    this.#skip(space);
    if (this.#next() === ",") {
      this.#at++;
      this.#skip(space);
      max = this.#number() ?? Number.POSITIVE_INFINITY;
      this.#skip(space);
    }
    if (min === undefined || max === undefined || this.#next() !== "}" || max < min) {
      throw this.#wrong("a repetition isn't of the form {2}, {2,} or {2,5}", "{0,5}", start);
    }
    this.#at++;
    if (min > MAX_REPEATS || (Number.isFinite(max) && max > MAX_REPEATS)) {
      const count = Math.max(min, Number.isFinite(max) ? max : 0);
      throw this.#wrong(
        `${count} repetitions are more than ${MAX_REPEATS}`,
        "a smaller bound, or none",
        start,
      );
    }
    return { min, max };
  }

  #number(): number | undefined {
    const digits = this.#match(DIGITS);
    return digits === undefined ? undefined : Number(digits);
  }

  #next(): string {
    return this.#source[this.#at] ?? "";
  }

  #skip(space: RegExp): void {
    this.#match(space);
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#source)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #place(at: number): string {
    const before = this.#source.slice(0, at);
    const line = before.split("\n").length;
    return `line ${line}, column ${at - before.lastIndexOf("\n")}`;
  }

  #wrong(what: string, fix: string, at = this.#at) {
    return refusal(`The grammar is wrong at ${this.#place(at)}: ${what}`, fix);
  }
}

const RULE_FORM = 'lines such as name ::= "text" | other';
