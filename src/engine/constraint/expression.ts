/**
 * Expressions over code points, which describe sets of texts (languages). Every kind of constraint is
 * converted to expressions first, and the expressions are then written as a grammar in GBNF.
 */

/** Code points from `[0]` to `[1]`, both included. */
export type Range = readonly [number, number];

/** A set of texts. A "set" matches one code point of its ranges; "rule" refers to a rule of the grammar. */
export type Expression =
  | { readonly type: "set"; readonly ranges: readonly Range[] }
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "sequence"; readonly parts: readonly Expression[] }
  | { readonly type: "choice"; readonly options: readonly Expression[] }
  /** `max` may be `Infinity`. */
  | { readonly type: "repeat"; readonly of: Expression; readonly min: number; readonly max: number }
  | { readonly type: "rule"; readonly name: string };

/** Rules by name. The grammar's language is that of the rule `root`. */
export type Grammar = Map<string, Expression>;

/** Matches only the empty text. */
export const EMPTY: Expression = { type: "sequence", parts: [] };
/** The empty language: no text matches, not even the empty text. */
export const NEVER: Expression = { type: "choice", options: [] };

const LAST_CODE_POINT = 0x10ffff;
const FIRST_SURROGATE = 0xd800;
const LAST_SURROGATE = 0xdfff;

export function isNever(expression: Expression): boolean {
  return expression.type === "choice" && expression.options.length === 0;
}

export function isEmpty(expression: Expression): boolean {
  return expression.type === "sequence" && expression.parts.length === 0;
}

/** Whether llama.cpp can repeat the expression directly. Any other becomes a separate rule first. */
export function isAtom(expression: Expression): boolean {
  return expression.type === "set" || expression.type === "text" || expression.type === "rule";
}

/** Whether tokens can spell the text: it contains neither U+0000 nor lone surrogates. */
export function isSpellable(text: string): boolean {
  return !/\0|\p{Surrogate}/u.test(text);
}

/** @param text a text that tokens can spell */
export function text(text: string): Expression {
  return text === "" ? EMPTY : { type: "text", text };
}

export function rule(name: string): Expression {
  return { type: "rule", name };
}

/** One code point from the ranges, without U+0000 and surrogates, which tokens can't spell. */
export function set(ranges: readonly Range[]): Expression {
  const spelt = merged(ranges).flatMap(spellable);
  return spelt.length === 0 ? NEVER : { type: "set", ranges: spelt };
}

/** The parts one after another. Nested sequences are flattened, and adjacent texts joined. */
export function sequence(...parts: readonly Expression[]): Expression {
  const flat: Expression[] = [];
  for (const part of parts.flatMap((each) => (each.type === "sequence" ? each.parts : [each]))) {
    const last = flat.at(-1);
    if (part.type === "text" && last?.type === "text")
      flat[flat.length - 1] = text(last.text + part.text);
    else flat.push(part);
  }
  if (flat.some(isNever)) return NEVER;
  const [only] = flat;
  return flat.length === 1 && only !== undefined ? only : { type: "sequence", parts: flat };
}

/** Any one of the options. Nested choices are flattened, and duplicates removed. */
export function choice(options: readonly Expression[]): Expression {
  const flat = options.flatMap((option) => (option.type === "choice" ? option.options : [option]));
  const seen = new Set<string>();
  const distinct = flat.filter((option) => {
    const key = JSON.stringify(option);
    return !seen.has(key) && seen.add(key);
  });
  const [only] = distinct;
  return distinct.length === 1 && only !== undefined ? only : { type: "choice", options: distinct };
}

/** From `min` to `max` repetitions; without `max`, there is no upper bound. */
export function repeat(of: Expression, min: number, max = Number.POSITIVE_INFINITY): Expression {
  if (max === 0 || isEmpty(of)) return EMPTY;
  if (isNever(of)) return min === 0 ? EMPTY : NEVER;
  return min === 1 && max === 1 ? of : { type: "repeat", of, min, max };
}

export function optional(of: Expression): Expression {
  return repeat(of, 0, 1);
}

/** Any one of the texts. Common prefixes are factored out, so that a reader has few readings at a time. */
export function literals(texts: readonly string[]): Expression {
  const groups = new Map<string, string[]>();
  for (const each of new Set(texts)) {
    const first = String.fromCodePoint(each.codePointAt(0) ?? 0);
    const key = each === "" ? "" : first;
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  return choice(
    [...groups].map(([first, group]) => {
      if (first === "") return EMPTY;
      const [only = ""] = group;
      if (group.length === 1) return text(only);
      const shared = sharedBeginning(group);
      return sequence(text(shared), literals(group.map((each) => each.slice(shared.length))));
    }),
  );
}

function sharedBeginning(texts: readonly string[]): string {
  const [first = ""] = texts;
  let shared = "";
  for (const character of first) {
    if (!texts.every((each) => each.startsWith(shared + character))) break;
    shared += character;
  }
  return shared;
}

/** Sorts ranges, and merges those that overlap or touch. */
export function merged(ranges: readonly Range[]): Range[] {
  const sorted = ranges.filter(([from, to]) => from <= to).sort(([a], [b]) => a - b);
  const result: [number, number][] = [];
  for (const [from, to] of sorted) {
    const last = result.at(-1);
    if (last !== undefined && from <= last[1] + 1) last[1] = Math.max(last[1], to);
    else result.push([from, to]);
  }
  return result;
}

/** All code points that are in none of these. */
export function complement(ranges: readonly Range[]): Range[] {
  const result: Range[] = [];
  let next = 0;
  for (const [from, to] of merged(ranges)) {
    if (from > next) result.push([next, from - 1]);
    next = to + 1;
  }
  return next > LAST_CODE_POINT ? result : [...result, [next, LAST_CODE_POINT]];
}

export function intersection(a: readonly Range[], b: readonly Range[]): Range[] {
  return merged(
    a.flatMap(([from, to]) =>
      b.map(([low, high]): Range => [Math.max(from, low), Math.min(to, high)]),
    ),
  );
}

function spellable([from, to]: Range): Range[] {
  const parts: Range[] = [
    [Math.max(from, 1), Math.min(to, FIRST_SURROGATE - 1)],
    [Math.max(from, LAST_SURROGATE + 1), to],
  ];
  return parts.filter(([low, high]) => low <= high);
}

/** Whether an expression matches the empty text. `nullable` are the rules that do. */
export function isNullable(expression: Expression, nullable: ReadonlySet<string>): boolean {
  switch (expression.type) {
    case "set":
    case "text":
      return false;
    case "sequence":
      return expression.parts.every((part) => isNullable(part, nullable));
    case "choice":
      return expression.options.some((option) => isNullable(option, nullable));
    case "repeat":
      return expression.min === 0 || isNullable(expression.of, nullable);
    case "rule":
      return nullable.has(expression.name);
  }
}

/**
 * Rewrites an expression so that nothing that may be empty is repeated without an upper bound, because
 * llama.cpp treats that as left recursion. The language stays the same. Only for expressions without
 * rules.
 */
export function withoutEmptyRepeats(expression: Expression): Expression {
  switch (expression.type) {
    case "sequence":
      return sequence(...expression.parts.map(withoutEmptyRepeats));
    case "choice":
      return choice(expression.options.map(withoutEmptyRepeats));
    case "repeat": {
      const { min, max } = expression;
      const of = withoutEmptyRepeats(expression.of);
      const isEndless = max === Number.POSITIVE_INFINITY && isNullable(of, new Set());
      return isEndless ? repeat(choice(pieces(of)), 0) : repeat(of, min, max);
    }
    default:
      return expression;
  }
}

/**
 * Non-empty pieces whose repetitions, in any order, are the same as those of an expression that may be
 * empty. If all parts of a sequence may be empty, each part can occur alone.
 */
function pieces(expression: Expression): Expression[] {
  if (!isNullable(expression, new Set())) return [expression];
  switch (expression.type) {
    case "sequence":
      return expression.parts.flatMap(pieces);
    case "choice":
      return expression.options.flatMap(pieces);
    case "repeat":
      return pieces(expression.of);
    default:
      return [];
  }
}

/** Replaces every part of an expression by the result of a function, the inner parts first. */
export function mapped(
  expression: Expression,
  change: (part: Expression) => Expression,
): Expression {
  const inner = (part: Expression) => mapped(part, change);
  switch (expression.type) {
    case "sequence":
      return change(sequence(...expression.parts.map(inner)));
    case "choice":
      return change(choice(expression.options.map(inner)));
    case "repeat":
      return change(repeat(inner(expression.of), expression.min, expression.max));
    default:
      return change(expression);
  }
}

/** The names of the rules that an expression uses directly. */
export function rulesIn(expression: Expression = NEVER): string[] {
  const names: string[] = [];
  mapped(expression, (part) => {
    if (part.type === "rule") names.push(part.name);
    return part;
  });
  return names;
}
