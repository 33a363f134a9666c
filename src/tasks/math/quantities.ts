/** Compares answers that are one number: in a base, as a percentage, or as a fraction in lowest terms. */
import { inLowestTerms, isEqual, parseRational, plainNumbers, type Rational } from "../numbers.js";

/** Returns whether a text is a number with a base, such as `52_8`. */
export function isBaseNumber(text: string): boolean {
  return /^\d[\dA-F]*_(?:\d|\{\d+\})$/.test(text);
}

/** Parses integers, decimals, fractions and mixed numbers. A percent sign is ignored. */
export function parseNumber(text: string): Rational | null {
  const plain = plainNumbers(text.replace(/\s*%$/, "")).trim();
  return /^[-+]?[\d.]/.test(plain) ? parseRational(plain) : null;
}

/**
 * Compares two numbers. A percentage may mean its number or a hundredth of it. A fraction must be in lowest
 * terms.
 */
export function isSameNumber(a: string, numberA: Rational, b: string, numberB: Rational): boolean {
  if (isUnreduced(a, numberA) && !isUnreduced(b, numberB)) return false;
  if (isEqual(numberA, numberB)) return true;
  const hundredth = (n: Rational): Rational => ({ ...n, denominator: n.denominator * 100n });
  if (a.endsWith("%") === b.endsWith("%")) return false;
  return a.endsWith("%")
    ? isEqual(hundredth(numberA), numberB)
    : isEqual(numberA, hundredth(numberB));
}

function isUnreduced(text: string, number: Rational): boolean {
  if (!/^[-+]?(?:\\frac\{[-+]?\d+\}\{\d+\}|\d+\/\d+)$/.test(text)) return false;
  return number.denominator === 1n || inLowestTerms(number).denominator !== number.denominator;
}
