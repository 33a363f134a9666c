/** Converts inequalities in one variable to the intervals that they describe. */
import { isEqual, parseRational, plainNumbers, type Rational } from "../numbers.js";
import { parseGroup, splitTop } from "./split.js";

const VARIABLE = /^(?:\\[a-z]+|[A-Za-z](?:_\w|_\{\w+\})?|[a-z]\([a-z]\))$/;
const SIGN = /\\le(?![a-z])|\\ge(?![a-z])|<=|>=|<|>/;
const BUILDER =
  /^\\\{\s*\w+(?:\s*\\in\s*\(-\\infty,\\infty\))?\s*(?:\\mid|\\vert|\||:|\\colon)\s*([\s\S]*?)\\\}$/;
/** Matches `x \ne 0`, and the reals without one number. */
const HOLE =
  /^(?:\\[a-z]+|[A-Za-z])\s*\\ne\s*([^,]+)$|^\(-\\infty,\\infty\)\s*(?:\\setminus|\\backslash|-|\\)\s*\\?\{([^,{}]+?)\\?\}$/;
const MEMBER = /^(?:\\[a-z]+|[A-Za-z])\s*\\in(?![a-z])\s*/;

/** Matches `|x - 1| < 3`. The groups are a sign, a number, a relation and a bound. */
const DISTANCE =
  /^(?:\||\\lvert|\\vert)\s*(?:\\[a-z]+|[A-Za-z])\s*(?:([-+])\s*([\w\\{}./]+?))?\s*(?:\||\\rvert|\\vert)\s*(\\le(?![a-z])|\\ge(?![a-z])|<=|>=|<|>)\s*([^<>|,]+)$/;

/** One end of an interval: its value, and whether the interval includes it. */
interface End {
  value: string;
  closed: boolean;
}

/**
 * Converts `x \ge 0` to `[0,\infty)`, `x<2 \lor x>3` to a union, and `\{x \mid 0<x<5\}` to `(0,5)`. An
 * interval or a union of intervals stays as it is. Returns `null` for everything else.
 */
export function toRegion(text: string): string | null {
  const condition = BUILDER.exec(text)?.[1]?.trim() ?? text.replace(MEMBER, "");
  const hole = HOLE.exec(condition)
    ?.slice(1)
    .find((value) => value !== undefined);
  if (hole !== undefined) return `(-\\infty,${hole})\\cup (${hole},\\infty)`;
  const distance = ofDistance(condition);
  if (distance !== null) return distance;
  const isUnion = splitTop(condition, /\\cup(?![a-z])/).every(isInterval);
  if (isUnion) return condition;
  const alternatives = splitTop(condition, /\\lor(?![a-z])/);
  const intervals = alternatives.flatMap((part) => {
    const conditions = splitTop(part, /\\land(?![a-z])/);
    const found = intervalsOf(conditions.flatMap((one) => splitTop(one, /,/)));
    // Two intervals joined by "and" mean their intersection, which is not supported.
    return conditions.length > 1 && found.length > 1 ? [null] : found;
  });
  return intervals.every((one) => one !== null) ? intervals.join("\\cup ") : null;
}

/** Returns the variable of an inequality; `null` if there are several, or if the text isn't an inequality. */
export function variableOf(text: string): string | null {
  const names = splitTop(text, /\\lor(?![a-z])|,/)
    .flatMap((part) => splitTop(part, SIGN))
    .filter((side) => VARIABLE.test(side) && !/^\\(?:infty|pi)$/.test(side));
  return SIGN.test(text) && new Set(names).size === 1 ? (names[0] as string) : null;
}

/** Converts `|x| < 3` to `(-3,3)`, and `|x| > 3` to the two outer intervals. */
function ofDistance(condition: string): string | null {
  const [, side, shift, sign = "", bound = ""] = DISTANCE.exec(condition) ?? [];
  if (sign === "") return null;
  const centre = shift === undefined ? "" : `${side === "+" ? "-" : ""}${shift}`;
  const [low, high] = [`${centre}-(${bound})`, centre === "" ? bound : `${centre}+(${bound})`];
  const [open, close] = /^[<>]$/.test(sign) ? ["(", ")"] : ["[", "]"];
  return /^(?:<|\\le)/.test(sign)
    ? `${open}${low},${high}${close}`
    : `(-\\infty,${low}${close}\\cup ${open}${high},\\infty)`;
}

function isInterval(text: string): boolean {
  const group = parseGroup(text);
  return group !== null && group.open !== "{" && group.items.length === 2;
}

/**
 * Converts bounds to intervals. Two bounds give one interval, as `x > 0, x < 5`, or two, as `x < 2, x > 3`.
 */
function intervalsOf(parts: readonly string[]): (string | null)[] {
  const ends = parts.map(endsOf);
  const [first, second] = ends;
  if (ends.length === 2 && first && second) {
    const lower = first.upper === null ? first : second;
    const upper = first.upper === null ? second : first;
    if (lower.upper === null && upper.lower === null && lower.lower && upper.upper) {
      const [from, to] = [rationalOf(lower.lower.value), rationalOf(upper.upper.value)];
      if (from === null || to === null || isEqual(from, to)) return [null];
      if (isBelow(from, to)) return [written({ lower: lower.lower, upper: upper.upper })];
    }
  }
  return ends.map((one) => one && written(one));
}

interface Ends {
  lower: End | null;
  upper: End | null;
}

/** Returns the ends around the variable in `0 \le x < 5`, `x < 5` or `5 > x`. */
function endsOf(text: string): Ends | null {
  const sides = splitTop(text, SIGN);
  const signs = [...text.matchAll(new RegExp(SIGN.source, "g"))].map(([sign]) => sign);
  const at = sides.findIndex((side) => VARIABLE.test(side) && side !== "\\infty");
  if (signs.length !== sides.length - 1 || sides.length > 3 || signs.length === 0 || at < 0)
    return null;
  if (sides.length === 3 && at !== 1) return null;
  const ends: Ends = { lower: null, upper: null };
  for (const [i, sign] of signs.entries()) {
    const isLeft = i < at; // the sign stands left of the variable
    const isRising = sign === "<" || sign === "<=" || sign === "\\le";
    const closed = sign !== "<" && sign !== ">";
    const value = sides[isLeft ? i : i + 1] as string;
    if (VARIABLE.test(value) && !/^\\(?:infty|pi)/.test(value)) return null;
    const end = isRising === isLeft ? "lower" : "upper";
    if (ends[end] !== null) return null;
    ends[end] = { value, closed };
  }
  return ends;
}

function written({ lower, upper }: Ends): string {
  const open = lower?.closed ? "[" : "(";
  const close = upper?.closed ? "]" : ")";
  return `${open}${lower?.value ?? "-\\infty"},${upper?.value ?? "\\infty"}${close}`;
}

function rationalOf(text: string): Rational | null {
  return parseRational(plainNumbers(text).trim());
}

function isBelow(a: Rational, b: Rational): boolean {
  return a.numerator * b.denominator < b.numerator * a.denominator;
}
