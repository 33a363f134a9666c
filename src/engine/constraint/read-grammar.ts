/**
 * Reads grammars in GBNF as llama.cpp does, and reports the place of a mistake. It also refuses what
 * llama.cpp silently misreads: empty classes, reversed ranges, two rules of the same name, and upper
 * bounds of repetitions that llama.cpp ignores.
 */
import {
  choice,
  complement,
  type Expression,
  type Grammar,
  isEmpty,
  isSpellable,
  repeat,
  rule,
  sequence,
  set,
} from "./expression.js";
import { GrammarText, SPACE, SPACE_OR_NEWLINE } from "./grammar-text.js";
import { MAX_GRAMMAR_LENGTH, MAX_GROUP_DEPTH, MAX_REPEATS } from "./limits.js";
import { excerpt, refusal } from "./refusal.js";

const NAME = /[A-Za-z0-9-]+/y;
const RULE_FORM = 'lines such as name ::= "text" | other';

/** A parsed grammar. */
export interface ReadGrammar {
  rules: Grammar;
  /** The place of a rule's definition, such as `line 3, column 1`. */
  placeOf(name: string): string;
}

/** Reads a grammar. Throws `ERR_CONSTRAINT` with the line and column of a mistake. */
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
  readonly #text: GrammarText;
  readonly #rules: Grammar = new Map();
  readonly #definedAt = new Map<string, number>();
  readonly #usedAt = new Map<string, number>();

  constructor(source: string) {
    this.#text = new GrammarText(source);
  }

  read(): ReadGrammar {
    this.#text.skip(SPACE_OR_NEWLINE);
    while (!this.#text.isAtEnd) this.#rule();
    if (!this.#rules.has("root")) {
      const names = [...this.#rules.keys()].join(", ");
      throw refusal(
        `The grammar has no rule \`root\`${names === "" ? "" : `, only ${excerpt(names)}`}`,
        'a first line such as root ::= "yes" | "no"',
      );
    }
    for (const [name, at] of this.#usedAt) {
      if (!this.#rules.has(name)) {
        throw this.#text.wrong(
          `the rule \`${name}\` is used and not defined`,
          `a line ${name} ::= …`,
          at,
        );
      }
    }
    const placeOf = (name: string) => this.#text.placeOf(this.#definedAt.get(name) ?? 0);
    return { rules: this.#rules, placeOf };
  }

  #rule(): void {
    const start = this.#text.at;
    const name = this.#text.match(NAME);
    if (name === undefined) throw this.#text.wrong("a rule's name should begin here", RULE_FORM);
    if (this.#rules.has(name)) {
      throw this.#text.wrong(
        `the rule \`${name}\` is defined twice`,
        "one rule, with | in it",
        start,
      );
    }
    this.#text.skip(SPACE);
    if (!this.#text.take("::=")) {
      throw this.#text.wrong(
        `\`::=\` should follow the rule's name \`${excerpt(name)}\``,
        RULE_FORM,
      );
    }
    this.#text.skip(SPACE_OR_NEWLINE);
    this.#definedAt.set(name, start);
    this.#rules.set(name, this.#alternatives(0));
    if (!this.#text.isAtEnd && !/[\r\n]/.test(this.#text.next)) {
      throw this.#text.wrong(
        `\`${this.#text.next}\` can't stand here`,
        "a new line before the next rule",
      );
    }
    this.#text.skip(SPACE_OR_NEWLINE);
  }

  #alternatives(depth: number): Expression {
    const options = [this.#sequence(depth)];
    while (this.#text.take("|")) {
      this.#text.skip(SPACE_OR_NEWLINE);
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
      this.#text.skip(space);
      parts.push(this.#repeated(item, space));
    }
  }

  #item(depth: number): Expression | undefined {
    const start = this.#text.at;
    switch (this.#text.next) {
      case '"':
        return this.#text.literal();
      case "[":
        return this.#text.characterClass();
      case "(":
        return this.#group(depth);
      case ".":
        this.#text.take(".");
        return set(complement([]));
      case "<":
      case "!":
        throw this.#text.wrong(
          "tokens by name or number aren't supported",
          "their text as a literal",
        );
      default: {
        const name = this.#text.match(NAME);
        if (name === undefined) return undefined;
        if (!this.#usedAt.has(name)) this.#usedAt.set(name, start);
        return rule(name);
      }
    }
  }

  #group(depth: number): Expression {
    if (depth === MAX_GROUP_DEPTH) {
      throw this.#text.wrong(`groups nest deeper than ${MAX_GROUP_DEPTH}`, "rules of their own");
    }
    this.#text.take("(");
    this.#text.skip(SPACE_OR_NEWLINE);
    const inner = this.#alternatives(depth + 1);
    if (!this.#text.take(")")) throw this.#text.wrong("`)` is missing", "`)`, or fewer `(`");
    return inner;
  }

  #repeated(item: Expression, space: RegExp): Expression {
    const start = this.#text.at;
    const times = this.#times(space);
    if (times === undefined) return item;
    if (isEmpty(item))
      throw this.#text.wrong("the empty text can't be repeated", "no repetition", start);
    this.#text.skip(space);
    const again = this.#text.at;
    if (this.#times(space) !== undefined) {
      throw this.#text.wrong("a repetition is repeated", "a group around the first one", again);
    }
    return repeat(item, times.min, times.max);
  }

  #times(space: RegExp): { min: number; max: number } | undefined {
    const start = this.#text.at;
    if (this.#text.take("*")) return { min: 0, max: Number.POSITIVE_INFINITY };
    if (this.#text.take("+")) return { min: 1, max: Number.POSITIVE_INFINITY };
    if (this.#text.take("?")) return { min: 0, max: 1 };
    if (!this.#text.take("{")) return undefined;
    this.#text.skip(space);
    const min = this.#text.number();
    let max = min;
    this.#text.skip(space);
    if (this.#text.take(",")) {
      this.#text.skip(space);
      max = this.#text.number() ?? Number.POSITIVE_INFINITY;
      this.#text.skip(space);
    }
    if (min === undefined || max === undefined || max < min || !this.#text.take("}")) {
      const what = "a repetition isn't of the form {2}, {2,} or {2,5}";
      throw this.#text.wrong(what, "{0,5}", start);
    }
    const count = Math.max(min, Number.isFinite(max) ? max : 0);
    if (count > MAX_REPEATS) {
      const what = `${count} repetitions are more than ${MAX_REPEATS}`;
      throw this.#text.wrong(what, "a smaller bound, or none", start);
    }
    return { min, max };
  }
}
