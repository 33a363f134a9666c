/**
 * Parses a text by a grammar, one code point at a time, as llama.cpp does. It keeps all readings of the
 * text so far. A reading is a stack of the items that must still be read.
 */
import { type Expression, type Grammar, isAtom, type Range } from "./expression.js";
import { readable } from "./shortest.js";

type Item = { ranges: readonly Range[] } | { rule: number } | null;

/** The empty stack: the reading is complete, so the text may end here. */
const DONE = -1;

/** All readings of one prefix, as numbers of stacks. */
export type Readings = ReadonlySet<number>;

/** Finds all readings of texts by one grammar. */
export class GrammarReader {
  /** The items of all sequences in one array. Null ends each sequence. */
  readonly #items: Item[] = [];
  /** For each rule, the indexes in `#items` at which its alternatives begin. */
  readonly #starts: number[][] = [];
  readonly #ruleOf = new Map<string, number>();
  // A stack is a number s: #tops[s] is the index of its top item, and #below[s] is the stack below that.
  readonly #tops: number[] = [];
  readonly #below: number[] = [];
  readonly #stackOf = new Map<number, number>();
  /** For each rule, the length of its shortest text, and its alternative. Computed on first use. */
  #shortest: { lengths: Float64Array; starts: Int32Array } | undefined;
  /** The readings of the empty prefix. */
  readonly start: Readings;

  /** @param grammar without left recursion */
  constructor(grammar: Grammar) {
    for (const name of grammar.keys()) this.#ruleOf.set(name, this.#newRule());
    for (const [name, body] of grammar) this.#define(this.#ruleOf.get(name) ?? 0, body);
    const start = new Set<number>();
    for (const first of this.#starts[this.#ruleOf.get("root") ?? 0] ?? []) {
      this.#expand(this.#pushed(first, DONE), start);
    }
    this.start = start;
  }

  /** Whether the text may end after this prefix. */
  isWhole(readings: Readings): boolean {
    return readings.has(DONE);
  }

  /** The readings after one more code point; empty if the grammar doesn't allow it. */

  next(readings: Readings, codePoint: number): Readings {
    const after = new Set<number>();
    for (const stack of readings) {
      const item = this.#items[this.#tops[stack] ?? -1];
      if (item === undefined || item === null || !("ranges" in item)) continue;
      if (!item.ranges.some(([from, to]) => from <= codePoint && codePoint <= to)) continue;
      this.#expand(this.#pushed((this.#tops[stack] ?? 0) + 1, this.#below[stack] ?? DONE), after);
    }
    return after;
  }

  /** The sets of code points that may come next: one set for each reading. */
  sets(readings: Readings): (readonly Range[])[] {
    return [...readings].flatMap((stack) => {
      const item = this.#items[this.#tops[stack] ?? -1];
      return item !== undefined && item !== null && "ranges" in item ? [item.ranges] : [];
    });
  }

  /** The readings after the prefix and a further text. */
  after(readings: Readings, text: string): Readings {
    let after = readings;
    for (const character of text) {
      if (after.size === 0) break;
      after = this.next(after, character.codePointAt(0) ?? 0);
    }
    return after;
  }

  matches(text: string): boolean {
    return this.isWhole(this.after(this.start, text));
  }

  /**
   * The shortest text that completes the prefix; null if it is longer than `most` characters, or if the
   * prefix has no readings.
   */
  shortestEnd(readings: Readings, most: number): string | null {
    let [best, least] = [DONE, Number.POSITIVE_INFINITY];
    for (const stack of readings) {
      const length = this.#endLength(stack);
      if (length < least) [best, least] = [stack, length];
    }
    if (least > most) return null;
    let text = "";
    for (let stack = best; stack !== DONE; stack = this.#below[stack] ?? DONE) {
      text += this.#shortestFrom(this.#tops[stack] ?? -1);
    }
    return text;
  }

  #endLength(top: number): number {
    let length = 0;
    for (let stack = top; stack !== DONE; stack = this.#below[stack] ?? DONE) {
      length += this.#lengthFrom(this.#tops[stack] ?? -1, this.#shortestTexts().lengths);
    }
    return length;
  }

  /** Length of the shortest text of a sequence, from an item on. */
  #lengthFrom(first: number, lengths: Float64Array): number {
    let length = 0;
    for (let at = first; length < Number.POSITIVE_INFINITY; at++) {
      const item = this.#items[at];
      if (item === undefined || item === null) break;
      length += "ranges" in item ? 1 : (lengths[item.rule] ?? 0);
    }
    return length;
  }

  #shortestFrom(first: number): string {
    let text = "";
    for (let at = first; ; at++) {
      const item = this.#items[at];
      if (item === undefined || item === null) return text;
      text +=
        "ranges" in item
          ? String.fromCodePoint(readable(item.ranges))
          : this.#shortestFrom(this.#shortestTexts().starts[item.rule] ?? -1);
    }
  }

  #shortestTexts() {
    if (this.#shortest !== undefined) return this.#shortest;
    const count = this.#starts.length;
    const lengths = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
    const starts = new Int32Array(count).fill(-1);
    for (let isChanged = true; isChanged; ) {
      isChanged = false;
      // Most rules come before the rules that they use, so going backwards needs few rounds.
      for (let rule = count - 1; rule >= 0; rule--) {
        for (const start of this.#starts[rule] ?? []) {
          const length = this.#lengthFrom(start, lengths);
          if (length >= (lengths[rule] ?? 0)) continue;
          lengths[rule] = length;
          starts[rule] = start;
          isChanged = true;
        }
      }
    }
    this.#shortest = { lengths, starts };
    return this.#shortest;
  }

  /** Replaces rules on top of a stack by their alternatives, until a set of characters is on top. */
  #expand(stack: number, into: Set<number>): void {
    const todo = [stack];
    const seen = new Set(todo);
    for (let top = todo.pop(); top !== undefined; top = todo.pop()) {
      const at = this.#tops[top] ?? -1;
      const item = this.#items[at];
      if (item === undefined || item === null || "ranges" in item) {
        into.add(top);
        continue;
      }
      const rest = this.#pushed(at + 1, this.#below[top] ?? DONE);
      for (const first of this.#starts[item.rule] ?? []) {
        const next = this.#pushed(first, rest);
        if (!seen.has(next)) todo.push(next);
        seen.add(next);
      }
    }
  }

  /** The stack with an item on top of another stack. The end of a sequence adds nothing. */
  #pushed(item: number, below: number): number {
    if (this.#items[item] === null) return below;
    const key = (below + 1) * this.#items.length + item;
    const there = this.#stackOf.get(key);
    if (there !== undefined) return there;
    const stack = this.#tops.length;
    this.#tops.push(item);
    this.#below.push(below);
    this.#stackOf.set(key, stack);
    return stack;
  }

  #newRule(): number {
    return this.#starts.push([]) - 1;
  }

  #define(rule: number, body: Expression): void {
    const options = body.type === "choice" ? body.options : [body];
    for (const option of options) {
      const items = this.#itemsOf(option);
      this.#starts[rule]?.push(this.#items.length);
      this.#items.push(...items, null);
    }
  }

  #itemsOf(expression: Expression): Item[] {
    switch (expression.type) {
      case "set":
        return [{ ranges: expression.ranges }];
      case "text":
        return Array.from(expression.text, (character) => {
          const point = character.codePointAt(0) ?? 0;
          return { ranges: [[point, point]] };
        });
      case "rule":
        return [{ rule: this.#ruleOf.get(expression.name) ?? 0 }];
      case "sequence":
        return expression.parts.flatMap((part) => this.#itemsOf(part));
      case "choice":
        return [this.#group(expression)];
      case "repeat":
        return this.#repeated(expression.of, expression.min, expression.max);
    }
  }

  #group(expression: Expression): Item {
    const rule = this.#newRule();
    this.#define(rule, expression);
    return { rule };
  }

  #repeated(of: Expression, min: number, max: number): Item[] {
    const once = isAtom(of) ? this.#itemsOf(of) : [this.#group(of)];
    const items = Array.from({ length: min }, () => once).flat();
    const more = (rest: Item[]) => {
      const rule = this.#newRule();
      this.#starts[rule]?.push(this.#items.length);
      this.#items.push(...once, ...rest, null);
      this.#starts[rule]?.push(this.#items.length);
      this.#items.push(null);
      return { rule };
    };
    if (max === Number.POSITIVE_INFINITY) {
      const rule = this.#starts.length; // the number of the rule that `more` creates, which refers to itself
      return [...items, more([{ rule }])];
    }
    let rest: Item[] = [];
    for (let i = min; i < max; i++) rest = [more(rest)];
    return [...items, ...rest];
  }
}
