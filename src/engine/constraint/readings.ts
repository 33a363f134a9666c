/**
 * Reads a text by a grammar one code point after another, as llama.cpp does: it holds all readings of
 * the beginning, each a stack of what is still to come.
 */
import { type Expression, type Grammar, isAtom, type Range } from "./expression.js";

type Item = { ranges: readonly Range[] } | { rule: number } | null;

/** A reading whose text may end here. */
const DONE = -1;

/** Readings of one beginning. */
export type Readings = ReadonlySet<number>;

export class GrammarReader {
  /** Sequences one after another, each ended by null. */
  readonly #items: Item[] = [];
  /** For each rule, where its alternatives begin. */
  readonly #starts: number[][] = [];
  readonly #ruleOf = new Map<string, number>();
  // A stack is the number of its top here: an item and the stack below.
  readonly #tops: number[] = [];
  readonly #below: number[] = [];
  readonly #stackOf = new Map<number, number>();
  /** What is read before anything. */
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

  /** Whether the text may end after this beginning. */
  isWhole(readings: Readings): boolean {
    return readings.has(DONE);
  }

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

  /** The sets of code points that may come next, one a reading. */
  sets(readings: Readings): (readonly Range[])[] {
    return [...readings].flatMap((stack) => {
      const item = this.#items[this.#tops[stack] ?? -1];
      return item !== undefined && item !== null && "ranges" in item ? [item.ranges] : [];
    });
  }

  matches(text: string): boolean {
    let readings = this.start;
    for (const character of text) {
      readings = this.next(readings, character.codePointAt(0) ?? 0);
      if (readings.size === 0) return false;
    }
    return this.isWhole(readings);
  }

  /** Replaces rules on top by what they stand for, until characters are on top. */
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

  /** A stack with an item on top; the end of a sequence is none. */
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
      const rule = this.#starts.length; // it refers to itself
      return [...items, more([{ rule }])];
    }
    let rest: Item[] = [];
    for (let i = min; i < max; i++) rest = [more(rest)];
    return [...items, ...rest];
  }
}
