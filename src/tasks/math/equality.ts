/** Whether two answers are the same mathematics. */
import { isEqual, parseRational, type Rational } from "../rational.js";
import { normalise } from "./normalise.js";
import { expandPlusMinus, type Group, parseGroup, parseMatrix, splitTop } from "./split.js";

/** Compares two expressions symbolically; false when it can't tell. */
export type SymbolicEquality = (a: string, b: string) => Promise<boolean>;

const NAME = String.raw`(?:\\?[A-Za-z]+(?:_(?:\w|\{\w+\}))?'?|\|\s*[A-Z]{2}\s*\|)`;
const ASSIGNMENT = new RegExp(
  String.raw`^\(?\s*${NAME}(?:\([\w,\s]*\)|(?:\s*[,:]\s*${NAME})+)?\s*\)?\s*(?:=|\\in(?![a-z]))\s*`,
);
const RELATION = /\\le(?![a-z])|\\ge(?![a-z])|<=|>=|<|>/;
const MAX_DEPTH = 6;

/** Takes answers as they were written. */
export function isSameMath(
  answer: string,
  gold: string,
  symbolic: SymbolicEquality,
): Promise<boolean> {
  return compare(normalise(answer), normalise(gold), symbolic, 0);
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
  if (isWords(a) || isWords(b)) return asWords(a) === asWords(b);

  const [valueA, valueB] = [a.replace(ASSIGNMENT, ""), b.replace(ASSIGNMENT, "")];
  const isList = splitTop(a, /,/).length > 1 || splitTop(b, /,/).length > 1;
  if (!isList && (valueA !== a || valueB !== b)) {
    // With two equations the names count, unless they say the same.
    if (valueA !== a && valueB !== b) return isSameEquation(a, b, symbolic, same);
    if (!hasRelation(valueA) && !hasRelation(valueB)) return same(valueA, valueB);
  }
  if (hasRelation(a) || hasRelation(b)) return isSameEquation(a, b, symbolic, same);
  return isSameStructure(a, b, symbolic, same);
}

type Same = (a: string, b: string) => Promise<boolean>;

async function isSameStructure(
  a: string,
  b: string,
  symbolic: SymbolicEquality,
  same: Same,
): Promise<boolean> {
  const [unionA, unionB] = [splitTop(a, /\\cup(?![a-z])/), splitTop(b, /\\cup(?![a-z])/)];
  if (unionA.length > 1 || unionB.length > 1) return isSameSet(unionA, unionB, same);
  const [groupA, groupB] = [parseGroup(a), parseGroup(b)];
  if (groupA !== null && groupB !== null) {
    const isSet = groupA.open === "{" && groupB.open === "{";
    if (isSet) return isSameSet(toList(a, groupA), toList(b, groupB), same);
    const isAlike = groupA.open === groupB.open && groupA.close === groupB.close;
    return isAlike && isSameList(groupA.items, groupB.items, same);
  }
  const [listA, listB] = [toList(a, groupA), toList(b, groupB)];
  if (groupA?.open === "{" || groupB?.open === "{") return isSameSet(listA, listB, same);
  if (listA.length > 1 || listB.length > 1) return isSameList(listA, listB, same);
  const group = groupA ?? groupB;
  if (group !== null && (group.items.length > 1 || group.open !== "(")) return false;
  const [matrixA, matrixB] = [parseMatrix(a), parseMatrix(b)];
  if (matrixA !== null && matrixB !== null) {
    const isAlike =
      matrixA.map((row) => row.length).join() === matrixB.map((row) => row.length).join();
    return isAlike && isSameList(matrixA.flat(), matrixB.flat(), same);
  }
  if (isBaseNumber(a) || isBaseNumber(b)) return compact(a) === compact(b);
  const [numberA, numberB] = [parseNumber(a), parseNumber(b)];
  if (numberA !== null && numberB !== null) return isSameNumber(a, numberA, b, numberB);
  return isExpression(a) && isExpression(b) && symbolic(a, b);
}

async function isSameList(a: string[], b: string[], same: Same): Promise<boolean> {
  if (a.length !== b.length) return false;
  for (const [i, item] of a.entries()) if (!(await same(item, b[i] as string))) return false;
  return true;
}

async function isSameSet(a: string[], b: string[], same: Same): Promise<boolean> {
  if (a.length !== b.length) return false;
  const left = [...b];
  for (const item of a) {
    let found = -1;
    for (let i = 0; i < left.length && found < 0; i++) {
      if (await same(item, left[i] as string)) found = i;
    }
    if (found < 0) return false;
    left.splice(found, 1);
  }
  return true;
}

/** The elements of a set, or of a list without brackets; another group is one element. */
function toList(text: string, group: Group | null): string[] {
  if (group !== null && group.open !== "{") return [text];
  return (group?.items ?? splitTop(text, /,/)).flatMap(expandPlusMinus);
}

/** Equations that are multiples of each other, and inequalities read from either side. */
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

function difference([left, right]: string[]): string {
  return `(${left})-(${right})`;
}

function hasRelation(text: string): boolean {
  return splitTop(text, /=/).length > 1 || splitTop(text, RELATION).length > 1;
}

/** `5 \ge x` as `x`, `\le`, `5`: all signs pointing the same way. */
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
    .split(/(\\[A-Za-z]+)\s*/);
  return (first + parts.join(""))
    .replace(/\s+(?![A-Za-z\d])|(?<![A-Za-z\d])\s+/g, "")
    .replace(/\s+/g, " ");
}

/** Text rather than mathematics: words of several letters that are no LaTeX. */
function isWords(text: string): boolean {
  const bare = text.replace(/\\(?:begin|end)\{\w+\}|\\[A-Za-z]+/g, " ");
  return (
    /[A-Za-z]{4,}|^\(?[A-Z]\)?$|^[A-Za-z]{2,}$/.test(bare) && !/^[a-z]{1,3}$/.test(bare.trim())
  );
}

function asWords(text: string): string {
  const bare = text.toLowerCase().replace(/\s+/g, " ").trim();
  return bare.replace(/^\(([a-z])\)$/, "$1");
}

/** `52_8`, digits in a base. */
function isBaseNumber(text: string): boolean {
  return /^\d[\dA-F]*_(?:\d|\{\d+\})$/.test(text);
}

const FRACTION = /^([-+]?)\\frac\{([-+]?\d+)\}\{(\d+)\}$/;
const MIXED = /^([-+]?)(\d+) ?(?:\\frac\{(\d+)\}\{(\d+)\}|(?<= )(\d+)\/(\d+))$/;

/** Integers, decimals, fractions, mixed numbers; percent signs are kept aside. */
function parseNumber(text: string): Rational | null {
  const bare = text.replace(/\s*%$/, "");
  const [, sign = "", above = "", below = ""] = FRACTION.exec(bare) ?? [];
  if (below !== "" && Number(below) !== 0) {
    return negated(sign, { numerator: BigInt(above.replace("+", "")), denominator: BigInt(below) });
  }
  const mixed = MIXED.exec(bare);
  if (mixed !== null) {
    const [, sign = "", whole = "", n1, d1, n2, d2] = mixed;
    const denominator = BigInt(d1 ?? d2 ?? "1");
    if (denominator === 0n) return null;
    const numerator = BigInt(whole) * denominator + BigInt(n1 ?? n2 ?? "0");
    return negated(sign, { numerator, denominator });
  }
  return parseRational(bare);
}

function negated(sign: string, number: Rational): Rational {
  return sign === "-" ? { ...number, numerator: -number.numerator } : number;
}

/** A percentage is its number, or a hundredth of it; a fraction must be in lowest terms. */
function isSameNumber(a: string, numberA: Rational, b: string, numberB: Rational): boolean {
  if (isUnreduced(a, numberA) && !isUnreduced(b, numberB)) return false;
  if (isEqual(numberA, numberB)) return true;
  const hundredth = (n: Rational): Rational => ({ ...n, denominator: n.denominator * 100n });
  if (a.endsWith("%") === b.endsWith("%")) return false;
  return a.endsWith("%")
    ? isEqual(hundredth(numberA), numberB)
    : isEqual(numberA, hundredth(numberB));
}

function isUnreduced(text: string, { numerator, denominator }: Rational): boolean {
  if (!/^[-+]?(?:\\frac\{[-+]?\d+\}\{\d+\}|\d+\/\d+)$/.test(text)) return false;
  let [a, b] = [numerator < 0n ? -numerator : numerator, denominator];
  while (b !== 0n) [a, b] = [b, a % b];
  return a !== 1n;
}

/** What the algebra system may be given: LaTeX mathematics, nothing else. */
function isExpression(text: string): boolean {
  if (!/^[\w\s\\{}()[\]|+\-*/^!.,']+$/.test(text) || text.includes("__")) return false;
  const braces = [...text].reduce(
    (sum, char) => sum + (char === "{" ? 1 : char === "}" ? -1 : 0),
    0,
  );
  return braces === 0;
}
