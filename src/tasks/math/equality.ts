/** Decides whether two answers are mathematically equal. */

import { toRegion, variableOf } from "./intervals.js";
import { matrixOf, shapeOf } from "./matrices.js";
import { MAX_CHARACTERS, normalise } from "./normalise.js";
import { isBaseNumber, isSameNumber, parseNumber } from "./quantities.js";
import { type Group, parseGroup, splitTop } from "./split.js";
import { ASSIGNMENT, expandPlusMinus, type Values, valuesOf } from "./values.js";
import { AND, asWords, isWords, namesIn } from "./words.js";

/** Compares two expressions symbolically. False if the result isn't known. */
type SymbolicEquality = (a: string, b: string) => Promise<boolean>;
/** As `SymbolicEquality` with a time limit; `null` if the time was not enough. */
export type LimitedEquality = (a: string, b: string) => Promise<boolean | null>;

const RELATION = /\\le(?![a-z])|\\ge(?![a-z])|<=|>=|<|>/;
const CONGRUENCE = /\s*\\pmod\{([^{}]*)\}$/;
const LAND = /\\land(?![a-z])|,/;
const MAX_DEPTH = 6;

/**
 * Compares answers as they were written. Once a pair of parts has exceeded the time limit, no other pair is
 * compared symbolically, because a list of such parts would reach the limit for each pair.
 */
export function isSameMath(
  answer: string,
  gold: string,
  limited: LimitedEquality,
): Promise<boolean> {
  let isTooLong = false;
  const symbolic = async (a: string, b: string) => {
    const equal = isTooLong ? false : await limited(a, b);
    isTooLong ||= equal === null;
    return equal === true;
  };
  if (answer.length > MAX_CHARACTERS) return Promise.resolve(answer === gold);
  const [a, b] = [normalise(answer), normalise(gold)];
  // The answer may omit the base, because the question names it.
  if (isBaseNumber(b) && /^\d[\dA-F]*$/.test(a)) return Promise.resolve(a === b.split("_")[0]);
  if (AND.test(answer) || AND.test(gold)) {
    const [namesA, namesB] = [namesIn(a), namesIn(b)];
    if (namesA !== null && namesB !== null) return Promise.resolve(namesA.join() === namesB.join());
  }
  return compare(withoutCalculation(a, b), b, symbolic, 0);
}

/**
 * Expressions that a question may ask for: `a+b`, `-b/a`, `\sin A`, `\lim_{x\to 0}f(x)`, `AB^2`, `f(g(x))`,
 * `M^{-1}`.
 */
const MEASURED =
  /^(?:-?[A-Za-z](?:\s*[-+*/]?\s*[A-Za-z])+|-?\\frac\{-?[A-Za-z]\}\{[A-Za-z]\}|\\(?:sin|cos|tan|cot|sec|csc|arcsin|arccos|arctan|log|ln|lim|int|sum|prod|gcd|det|max|min|Pr)(?![a-z]).*|(?:\\frac|\\overline|\\cdot|\\times|[A-Z{}\s\d^+*/-])+|[A-Za-z]\(.*\))$/;

/**
 * Returns the last side of calculations like `1-\frac14=\frac34`, `a+b=5` and `x=2+3=5`, if the reference
 * isn't an equation.
 */
function withoutCalculation(text: string, gold: string): string {
  const sides = splitTop(text, /=/);
  const result = sides.at(-1) ?? "";
  if (sides.length < 2 || gold.includes("=") || /,|\\lor/.test(text)) return text;
  const isChain = sides.length > 2 && /^\\?[A-Za-z]+$/.test(sides[0] ?? "");
  const isCalculation = sides.slice(0, -1).every((side) => {
    const letters = side.replace(/\\[A-Za-z]+/g, "");
    return !/[A-Za-z]/.test(letters) || MEASURED.test(side);
  });
  return (isChain || isCalculation) && /\d|\\/.test(result) ? result : text;
}

async function compare(
  a: string,
  b: string,
  symbolic: SymbolicEquality,
  depth: number,
): Promise<boolean> {
  if (depth > MAX_DEPTH || a === "" || b === "") return a !== "" && a === b;
  if (compact(a) === compact(b)) return true;
  const same = (x: string, y: string) => compare(x, y, symbolic, depth + 1);
  const [restA, restB] = [a.replace(CONGRUENCE, ""), b.replace(CONGRUENCE, "")];
  if (restA !== a || restB !== b) {
    const [modulusA, modulusB] = [CONGRUENCE.exec(a)?.[1], CONGRUENCE.exec(b)?.[1]];
    if (modulusA !== undefined && modulusB !== undefined && modulusA !== modulusB) return false;
    return same(restA.replace(/\\equiv(?![a-z])/, "="), restB.replace(/\\equiv(?![a-z])/, "="));
  }
  const [nearA, nearB] = [approximated(a, b), approximated(b, a)];
  if (nearA !== a || nearB !== b) return same(nearA, nearB);
  if (isWords(a) || isWords(b)) return asWords(a) === asWords(b);

  const [regionA, regionB] = [toRegion(a), toRegion(b)];
  if (regionA !== null && regionB !== null && (regionA !== a || regionB !== b)) {
    const [nameA, nameB] = [variableOf(a), variableOf(b)];
    if (nameA !== null && nameB !== null && nameA !== nameB) return false;
    if (await same(regionA, regionB)) return true;
  }
  if (/\\land(?![a-z])/.test(a + b)) return isSameSet(splitTop(a, LAND), splitTop(b, LAND), same);
  const [valuesA, valuesB] = [valuesOf(a), valuesOf(b)];
  if (valuesA !== null || valuesB !== null) return isSameValues(a, valuesA, b, valuesB, same);
  const [valueA, valueB] = [a.replace(ASSIGNMENT, ""), b.replace(ASSIGNMENT, "")];
  if (valueA !== a || valueB !== b) {
    // If both are equations, their names count, unless the equations are equivalent.
    if (valueA !== a && valueB !== b) return isSameEquation(a, b, symbolic, same);
    if (!hasRelation(valueA) && !hasRelation(valueB)) return same(valueA, valueB);
  }
  if (hasRelation(a) !== hasRelation(b)) {
    const [sideA, sideB] = [await identity(a, symbolic), await identity(b, symbolic)];
    if (sideA !== null || sideB !== null) return same(sideA ?? a, sideB ?? b);
  }
  if (hasRelation(a) || hasRelation(b)) return isSameEquation(a, b, symbolic, same);
  return isSameStructure(a, b, symbolic, same);
}

/**
 * Reduces `x \approx 1.41` and `\sqrt2 \approx 1.41` to the side in the form of the other answer: exact or
 * decimal.
 */
function approximated(text: string, other: string): string {
  const sides = splitTop(text, /\\approx(?![a-z])|\\simeq|\\doteq/);
  const values = sides.filter(
    (side, i) => side !== "" && !(i === 0 && /^\\?[A-Za-z]+$/.test(side)),
  );
  if (sides.length === 1 || values.length === 0) return text;
  const isDecimal = /^-?\d+(?:\.\d+)?$/.test(other);
  return (isDecimal ? values.at(-1) : values[0]) as string;
}

/** Compares lists of values in order. With "or", a plus-minus or a set the order doesn't count. */
function isSameValues(
  a: string,
  valuesA: Values | null,
  b: string,
  valuesB: Values | null,
  same: Same,
): Promise<boolean> {
  const [listA, listB] = [valuesA ?? single(a), valuesB ?? single(b)];
  if (listA === null || listB === null) return Promise.resolve(false);
  if (listA.names !== null && listB.names !== null) {
    const named = ({ items, names }: Values) => items.map((item, i) => `${names?.[i]}=${item}`);
    if (new Set(listA.names).size > 1) return isSameSet(named(listA), named(listB), same);
  }
  // `x = 3, y = 4` equals the pair (3, 4).
  if (listA.tuple !== listB.tuple && (listA.names === null) === (listB.names === null)) {
    return Promise.resolve(false);
  }
  return listA.unordered || listB.unordered
    ? isSameSet(listA.items, listB.items, same)
    : isSameList(listA.items, listB.items, same);
}

/** Returns a set or a tuple as its items, and anything else as a list of one value. */
function single(text: string): Values | null {
  const group = parseGroup(text);
  if (group?.open === "{")
    return { items: group.items, names: null, unordered: true, tuple: false };
  if (group?.open === "(" && group.close === ")" && group.items.length > 1) {
    return { items: group.items, names: null, unordered: false, tuple: true };
  }
  const value = text.replace(ASSIGNMENT, "");
  if (value !== text) return single(value);
  return { items: [value], names: null, unordered: false, tuple: false };
}

async function isSameStructure(
  a: string,
  b: string,
  symbolic: SymbolicEquality,
  same: Same,
): Promise<boolean> {
  const [unionA, unionB] = [unionOf(a), unionOf(b)];
  if (unionA.length > 1 || unionB.length > 1) return isSameSet(unionA, unionB, same);
  const [onlyA = a, onlyB = b] = [unionA[0], unionB[0]];
  if (onlyA !== a || onlyB !== b) return same(onlyA, onlyB);
  const [groupA, groupB] = [parseGroup(a), parseGroup(b)];
  if (groupA !== null && groupB !== null) {
    if (groupA.open === "{" && groupB.open === "{") {
      return isSameSet(groupA.items, groupB.items, same);
    }
    const isAlike = groupA.open === groupB.open && groupA.close === groupB.close;
    return isAlike && isSameList(groupA.items, groupB.items, same);
  }
  const group = groupA ?? groupB;
  if (group?.open === "{") return isSameSet(itemsOf(a, groupA), itemsOf(b, groupB), same);
  if (group !== null && (group.items.length > 1 || group.open !== "(")) return false;
  const [matrixA, matrixB] = [matrixOf(a), matrixOf(b)];
  if (matrixA !== null && matrixB !== null) {
    const isAlike = shapeOf(matrixA) === shapeOf(matrixB);
    return isAlike && isSameList(matrixA.flat(), matrixB.flat(), same);
  }
  if (isBaseNumber(a) || isBaseNumber(b)) return compact(a) === compact(b);
  const [numberA, numberB] = [parseNumber(a), parseNumber(b)];
  if (numberA !== null && numberB !== null) return isSameNumber(a, numberA, b, numberB);
  return isExpression(a) && isExpression(b) && symbolic(a, b);
}

/** Returns the parts of a union. All its finite sets together are one part. */
function unionOf(text: string): string[] {
  const parts = splitTop(text, /\\cup(?![a-z])/);
  const sets = parts.map(parseGroup).filter((group) => group?.open === "{");
  if (sets.length < 2) return parts;
  const others = parts.filter((part) => parseGroup(part)?.open !== "{");
  return [...others, `\\{${sets.flatMap((group) => group?.items ?? []).join(",")}\\}`];
}

function itemsOf(text: string, group: Group | null): string[] {
  return group?.open === "{" ? group.items : [text];
}

type Same = (a: string, b: string) => Promise<boolean>;

async function isSameList(a: string[], b: string[], same: Same): Promise<boolean> {
  if (a.length !== b.length) return false;
  for (const [i, item] of a.entries()) if (!(await same(item, b[i] as string))) return false;
  return true;
}

/** Compares sets, without order and multiplicity. */
async function isSameSet(a: string[], b: string[], same: Same): Promise<boolean> {
  const [allA, allB] = [a.flatMap(expandPlusMinus), b.flatMap(expandPlusMinus)];
  return (await isSubset(allA, allB, same)) && isSubset(allB, allA, same);
}

async function isSubset(a: string[], b: string[], same: Same): Promise<boolean> {
  for (const item of a) {
    let isFound = false;
    for (const other of b) isFound ||= await same(item, other);
    if (!isFound) return false;
  }
  return true;
}

/**
 * Compares equations, which may be multiples of each other, and inequalities, which may be read from either
 * side.
 */
async function isSameEquation(
  a: string,
  b: string,
  symbolic: SymbolicEquality,
  same: Same,
): Promise<boolean> {
  const [chainA, chainB] = [toChain(a), toChain(b)];
  if (chainA.sides.length === 1 && chainB.sides.length === 1) {
    const [partsA, partsB] = [splitTop(a, /=/), splitTop(b, /=/)];
    const isSimple = partsA.length === 2 && partsB.length === 2;
    if (!isSimple || !isExpression(partsA.join("")) || !isExpression(partsB.join(""))) return false;
    const [left, right] = [difference(partsA), difference(partsB)];
    return (await symbolic(left, right)) || symbolic(`PROPORTIONAL:${left}`, right);
  }
  if (chainA.signs.join() !== chainB.signs.join()) return false;
  return isSameList(chainA.sides, chainB.sides, same);
}

/** Returns the right side of an identity, such as `x^2-1=(x-1)(x+1)`. */
async function identity(text: string, symbolic: SymbolicEquality): Promise<string | null> {
  const [left = "", right = "", ...more] = splitTop(text, /=/);
  if (right === "" || more.length > 0 || !isExpression(left + right)) return null;
  return (await symbolic(left, right)) ? right : null;
}

function difference([left, right]: string[]): string {
  return `(${left})-(${right})`;
}

function hasRelation(text: string): boolean {
  return splitTop(text, /=/).length > 1 || splitTop(text, RELATION).length > 1;
}

/** Returns `5 \ge x` as `x`, `\le`, `5`, with all signs in the same direction. */
function toChain(text: string): { sides: string[]; signs: string[] } {
  const sides = splitTop(text, RELATION);
  const signs = [...text.matchAll(new RegExp(RELATION.source, "g"))].map(([sign]) =>
    sign.replace("<=", "\\le").replace(">=", "\\ge"),
  );
  const isFalling = signs.length > 0 && signs.every((sign) => sign === ">" || sign === "\\ge");
  if (!isFalling) return { sides, signs };
  const flipped = signs.map((sign) => (sign === ">" ? "<" : "\\le"));
  return { sides: sides.toReversed(), signs: flipped.toReversed() };
}

function compact(text: string): string {
  const [first = "", ...parts] = text
    .replace(/\s*\\cdot\s*(?=\\|[a-z])/g, " ")
    .replace(/([\^_][a-z])\s+/g, "$1")
    .split(/(\\[A-Za-z]+)\s*/);
  return (first + parts.join(""))
    .replace(/\s+(?![A-Za-z\d])|(?<![A-Za-z\d])\s+/g, "")
    .replace(/\s+/g, " ");
}

/** Returns whether a text is safe for the algebra system: only LaTeX mathematics. */
function isExpression(text: string): boolean {
  if (!/^[\w\s\\{}()[\]|+\-*/^!.,']+$/.test(text) || text.includes("__")) return false;
  const braces = [...text].reduce(
    (sum, char) => sum + (char === "{" ? 1 : char === "}" ? -1 : 0),
    0,
  );
  return braces === 0;
}
