/** Numbers as they are written, compared exactly: 18, 18.00, $18 and 36/2 are one number. */

/** A fraction; the denominator is above 0, and it needn't be reduced. */
export interface Rational {
  numerator: bigint;
  denominator: bigint;
}

/** Digits beyond which a number is not worth comparing. */
const MAX_DIGITS = 1000;

/** An integer or decimal with optional sign, thousands commas and currency; `null` for anything else. */
function parseDecimal(text: string): Rational | null {
  const bare = text
    .trim()
    .replace(/\u2212/g, "-")
    .replace(/^([+-]?)\s*\\?[$€£]\s*/, "$1")
    .replace(/,(?=\d{3}(?!\d))/g, "");
  const match = /^([+-]?)(\d*)(?:\.(\d*))?$/.exec(bare);
  const [, sign = "", whole = "", fraction = ""] = match ?? [];
  const digits = whole + fraction;
  if (match === null || digits === "" || digits.length > MAX_DIGITS) return null;
  const numerator = BigInt(digits) * (sign === "-" ? -1n : 1n);
  return { numerator, denominator: 10n ** BigInt(fraction.length) };
}

/** A decimal, or a quotient of two. */
export function parseRational(text: string): Rational | null {
  const [above = "", below, ...more] = text.replace(/\u2044/g, "/").split("/");
  const numerator = parseDecimal(above);
  if (numerator === null || below === undefined) return numerator;
  const denominator = parseDecimal(below);
  if (more.length > 0 || denominator === null || denominator.numerator <= 0n) return null;
  return {
    numerator: numerator.numerator * denominator.denominator,
    denominator: numerator.denominator * denominator.numerator,
  };
}

export function isEqual(a: Rational, b: Rational): boolean {
  return a.numerator * b.denominator === b.numerator * a.denominator;
}
