/**
 * Finds what makes a grammar unusable, before llama.cpp reads it: left recursion, rules that never end,
 * too many elements, and too many readings of one prefix. llama.cpp overlooks left recursion through a
 * rule that may be empty, and then loops for ever.
 */
import {
  type Expression,
  type Grammar,
  isAtom,
  isNullable,
  NEVER,
  type Range,
} from "./expression.js";
import { MAX_ELEMENTS, MAX_READINGS } from "./limits.js";
import { GrammarReader } from "./readings.js";
import { refusal } from "./refusal.js";

const MAX_RULES = 6000;
const PROBED_CHARACTERS = 96;
/** The most characters that are tried at each place. */
const PROBED_CHOICES = 12;

/**
 * Throws `ERR_CONSTRAINT` for an unusable grammar.
 *
 * @param placeOf the name of a rule and its place, for the message
 */
export function checkRules(rules: Grammar, placeOf: (name: string) => string): void {
  const wrong = (name: string, what: string, fix: string) =>
    refusal(`${placeOf(name)}: ${what}`, fix);
  if (rules.size > MAX_RULES) {
    throw wrong("root", `${rules.size} rules are more than ${MAX_RULES}`, "fewer rules");
  }
  const nullable = fixpoint(rules, isNullable);
  for (const [name, body] of rules) {
    if (repeatsEmpty(body, nullable)) {
      throw wrong(
        name,
        "what may be empty is repeated without an upper bound, which llama.cpp can't read",
        "a part that isn't empty in the repetition, such as ([a-z]+)* in place of ([a-z]*)*",
      );
    }
  }
  const cycle = leftRecursion(rules, nullable);
  if (cycle !== undefined) {
    const [first = "root"] = cycle;
    throw wrong(
      first,
      `left recursion, ${cycle.join(" → ")}: the rule begins with itself`,
      'a repetition, such as list ::= item ("," item)*',
    );
  }
  const ending = rulesThatEnd(rules);
  for (const name of [...rules.keys()].sort(
    (a, b) => Number(ending.has(a)) - Number(ending.has(b)),
  )) {
    if (!alternativesOf(rules.get(name)).every((each) => canEnd(each, ending))) {
      throw wrong(
        name,
        "a text that begins like this never ends",
        "an alternative without the rule itself",
      );
    }
  }
  const elements = [...rules.values()].reduce((sum, body) => sum + elementsOf(body), 0);
  if (elements > MAX_ELEMENTS) {
    throw wrong(
      "root",
      `${elements} elements, repetitions written out, are more than ${MAX_ELEMENTS}`,
      "smaller bounds of repetitions, or none",
    );
  }
  checkReadings(new GrammarReader(rules), (what, fix) => wrong("root", what, fix));
}

/** The rules with a property that is defined recursively: `holds` tests a body by the known rules. */
function fixpoint(
  rules: Grammar,
  holds: (body: Expression, known: ReadonlySet<string>) => boolean,
): Set<string> {
  const known = new Set<string>();
  for (let before = -1; known.size > before; ) {
    before = known.size;
    for (const [name, body] of rules) {
      if (!known.has(name) && holds(body, known)) known.add(name);
    }
  }
  return known;
}

function alternativesOf(body: Expression = NEVER): readonly Expression[] {
  return body.type === "choice" && body.options.length > 0 ? body.options : [body];
}

/** The rules that can produce a finite text. */
export function rulesThatEnd(rules: Grammar): Set<string> {
  return fixpoint(rules, canEnd);
}

/** Whether an expression can produce a finite text. `ending` are the rules that can. */
export function canEnd(expression: Expression, ending: ReadonlySet<string>): boolean {
  switch (expression.type) {
    case "set":
    case "text":
      return true;
    case "sequence":
      return expression.parts.every((part) => canEnd(part, ending));
    case "choice":
      return expression.options.some((option) => canEnd(option, ending));
    case "repeat":
      return expression.min === 0 || canEnd(expression.of, ending);
    case "rule":
      return ending.has(expression.name);
  }
}

function repeatsEmpty(expression: Expression, nullable: ReadonlySet<string>): boolean {
  switch (expression.type) {
    case "sequence":
      return expression.parts.some((part) => repeatsEmpty(part, nullable));
    case "choice":
      return expression.options.some((option) => repeatsEmpty(option, nullable));
    case "repeat": {
      const { of, max } = expression;
      return (
        (max === Number.POSITIVE_INFINITY && isNullable(of, nullable)) || repeatsEmpty(of, nullable)
      );
    }
    default:
      return false;
  }
}

/** A cycle of rules in which each may begin with the next one; undefined if there is none. */
function leftRecursion(rules: Grammar, nullable: ReadonlySet<string>): string[] | undefined {
  const finished = new Set<string>();
  for (const start of rules.keys()) {
    if (finished.has(start)) continue;
    const path = [{ name: start, left: leftmost(rules.get(start), nullable) }];
    const onPath = new Set([start]);
    for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
      const name = top.left.pop();
      if (name === undefined) {
        finished.add(top.name);
        onPath.delete(top.name);
        path.pop();
      } else if (onPath.has(name)) {
        const names = path.map((each) => each.name);
        return [...names.slice(names.indexOf(name)), name];
      } else if (!finished.has(name)) {
        onPath.add(name);
        path.push({ name, left: leftmost(rules.get(name), nullable) });
      }
    }
  }
  return undefined;
}

/** The rules with which a text of the expression may begin. */
function leftmost(expression: Expression | undefined, nullable: ReadonlySet<string>): string[] {
  switch (expression?.type) {
    case "rule":
      return [expression.name];
    case "choice":
      return expression.options.flatMap((option) => leftmost(option, nullable));
    case "repeat":
      return leftmost(expression.of, nullable);
    case "sequence": {
      const end = expression.parts.findIndex((part) => !isNullable(part, nullable));
      const first = end === -1 ? expression.parts : expression.parts.slice(0, end + 1);
      return first.flatMap((part) => leftmost(part, nullable));
    }
    default:
      return [];
  }
}

/** The number of elements of an expression in llama.cpp's representation. */
function elementsOf(expression: Expression): number {
  const sum = (parts: readonly Expression[]) => parts.reduce((n, part) => n + elementsOf(part), 0);
  switch (expression.type) {
    case "set":
      return 2 * expression.ranges.length;
    case "text":
      return expression.text.length;
    case "rule":
      return 1;
    case "sequence":
      return sum(expression.parts);
    case "choice":
      return sum(expression.options) + expression.options.length + 1;
    case "repeat": {
      const { of, min, max } = expression;
      const optional = Number.isFinite(max) ? max - min : 1;
      const once = isAtom(of) ? elementsOf(of) : 1; // a group becomes a rule
      return min * once + optional * (once + 3) + 1 + (isAtom(of) ? 0 : elementsOf(of));
    }
  }
}

/**
 * Throws if a prefix has too many readings; their number can double with every character. The search
 * always continues with the character that gives the most readings.
 */
function checkReadings(reader: GrammarReader, wrong: (what: string, fix: string) => Error): void {
  let readings = reader.start;
  if (readings.size === 1 && reader.isWhole(readings)) {
    throw wrong("only the empty text is of it", "a text of at least one character");
  }
  for (let i = 0; i <= PROBED_CHARACTERS && readings.size > 0; i++) {
    if (readings.size > MAX_READINGS) {
      throw wrong(
        `a beginning of ${i} characters can be read in more than ${MAX_READINGS} ways`,
        "alternatives that differ in their first characters, and no repetition in a repetition",
      );
    }
    readings = characters(reader.sets(readings))
      .map((point) => reader.next(readings, point))
      .reduce((a, b) => (b.size > a.size ? b : a), new Set<number>());
  }
}

/** The code points that are in most of the sets. */
function characters(sets: readonly (readonly Range[])[]): number[] {
  const counts = new Map<number, number>();
  const firsts = new Set(
    sets.slice(0, MAX_READINGS).flatMap((ranges) => ranges.slice(0, 8).map(([from]) => from)),
  );
  for (const point of [...firsts].slice(0, 256)) {
    const isIn = ([from, to]: Range) => from <= point && point <= to;
    counts.set(point, sets.filter((ranges) => ranges.some(isIn)).length);
  }
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .slice(0, PROBED_CHOICES)
    .map(([point]) => point);
}
