/**
 * Numbers as people and models write them, in plain text and in LaTeX. `plainNumbers` converts a text's
 * numbers to one notation, `NUMBER` finds them there, and `parseRational` reads one exactly: 18, 18.00, $18,
 * 36/2 and 1.8e1 are the same number. docs/grading.md has the grammar.
 */

/** A fraction. The denominator is above 0, and the fraction needn't be in lowest terms. */
export interface Rational {
  numerator: bigint;
  denominator: bigint;
}

/** The maximum number of digits of a number that is compared. */
const MAX_DIGITS = 1000;
/** The maximum exponent of a number in scientific notation that is compared. */
const MAX_EXPONENT = 400;

const WRAPPED =
  /\\(?:text(?:bf|it|rm|tt|sf|normal)?|mathrm|mathbf|mathit|mathsf|mathtt|mbox|ce|bm|boldsymbol|operatorname)\s*\{([^{}]*)\}/g;
/** Separators between the thousands of a number: LaTeX spaces, Unicode spaces and apostrophes. */
const THIN_SPACE = String.raw`(?:\{,\}|,?\s*\\[,;:! ]|~|[_'\u2019\u066c\u00a0\u2006-\u200a\u202f])`;
const THOUSANDS = new RegExp(String.raw`(?<=\d)${THIN_SPACE}+(?=\d{3}(?!\d))`, "g");
/** Foreign notations without another reading: Indian 1,23,456, then 1.234.567 and 1.234,56, then 18,50. */
const INDIAN = /(?<![\d.,])\d{1,2}(?:,\d{2})+,\d{3}(?!,?\d)/g;
const DOTTED = /(?<![\d.,])(\d{1,3}(?:\.\d{3})+)(?:,(\d{1,2})|(?<=\.\d+\.\d+))(?![.,]?\d)/g;
const DECIMAL_COMMA = /(?<![\d.,])(\d+),(\d{1,2})(?![.,]?\d)/g;
const VULGAR = /(\d?)(\s?)([\u00bc-\u00be\u2150-\u215e])/g;
const REPEATING = [
  // First \overline{3} and \bar{3}, then dots on the first and last repeating digit.
  /(?<![\d.])(\d*\.\d*)\\(?:overline|bar)\s*(?:\{\s*(\d+)\s*\}|(\d))/g,
  /(?<![\d.])(\d*\.\d*)\\dot\s*\{?(\d)\}?(?:(\d*)\\dot\s*\{?(\d)\}?)?/g,
] as const;
const SCIENTIFIC =
  /(\d)\s*(?:\\times|\\cdot|[\u00d7\u00b7*x])\s*10\s*\^\s*(?:\{\s*([-+]?\d+)\s*\}|([-+]?\d+))/g;
const POWER_OF_TEN = /(?<![\d.^])10\s*\^\s*(?:\{\s*([-+]?\d+)\s*\}|([-+]?\d+))/g;
/** Numbers with a scale: `1.5 million`, `$1.5M`, `2.5k`, `3万`. Letters must directly follow the number. */
const SCALED =
  /(?<![\d.,/])(\d[\d,]*(?:\.\d+)?)(?:([kKMB]|mn|bn)(?![\p{L}\p{N}])|\s?([Hh]undred|[Tt]housand|[Tt]ausend|[Mm]illion(?:s|en)?|[Mm]illones|[Mm]ilhões|[Mm]ilioni|[Bb]illion|[Mm]illiarden?|[Mm]illiards?|[Tt]rillion)(?![\p{L}-])|\s?([万萬亿億]))/gu;
const SCALES: readonly (readonly [name: RegExp, zeros: number])[] = [
  [/^hundred/i, 2],
  [/^(?:k|th|ta)/i, 3],
  [/^[万萬]/, 4],
  [/^[亿億]/, 8],
  [/^(?:b|milliard)/i, 9],
  [/^tr/i, 12],
  [/^m/i, 6],
];
const FRACTION =
  /(-?(?<!\d)\d+\s*|-?)\\[dtcs]?frac\s*(?:\{\s*([-+]?[\d.,]+)\s*\}|(\d))\s*(?:\{\s*([\d.,]+)\s*\}|(\d))/g;

/** Returns the text with its numbers in plain ASCII: thousands with commas, `2 1/2`, `0.1(6)`, `1.5e3`. */
export function plainNumbers(text: string): string {
  return text
    .replace(THOUSANDS, ",")
    .replace(VULGAR, (_, digit: string, space: string, sign: string) => {
      const fraction = sign.normalize("NFKC").replace("\u2044", "/");
      return digit === "" ? space + fraction : `${digit} ${fraction}`;
    })
    .replace(/[\u2070\u00b9\u00b2\u00b3\u2074-\u207b]+/g, (run) => `^{${run.normalize("NFKC")}}`)
    .normalize("NFKC")
    .replace(/\p{Nd}/gu, asciiDigit)
    .replace(/(?<=\d)\u066b(?=\d)/g, ".")
    .replace(/[\u2212\u2010-\u2013\uff0d]/g, "-")
    .replace(/[\u2044\u2215]/g, "/")
    .replace(/\\([$%])/g, "$1")
    .replace(/\\(?:left|right|displaystyle)(?![A-Za-z])/g, "")
    .replace(WRAPPED, "$1")
    .replace(
      REPEATING[0],
      (_, before: string, many?: string, one?: string) => `${before}(${many ?? one})`,
    )
    .replace(
      REPEATING[1],
      (_, before: string, first: string, middle = "", last = "") =>
        `${before}(${first}${middle}${last})`,
    )
    .replace(
      SCIENTIFIC,
      (_, digit: string, braced?: string, bare?: string) => `${digit}e${braced ?? bare}`,
    )
    .replace(POWER_OF_TEN, (_, braced?: string, bare?: string) => `1e${braced ?? bare}`)
    .replace(
      FRACTION,
      (_, whole: string, n1?: string, n2?: string, d1?: string, d2?: string) =>
        `${/\d/.test(whole) ? `${whole.trimEnd()} ` : whole}${n1 ?? n2}/${d1 ?? d2}`,
    )
    .replace(/\\[,;:! ]|~/g, " ");
}

/**
 * Converts a digit of any script to ASCII. The ten digits of a script have consecutive code points, and the
 * code point before them is not a digit.
 */
function asciiDigit(digit: string): string {
  if (digit <= "9") return digit;
  const code = digit.codePointAt(0) as number;
  let value = 0;
  while (/\p{Nd}/u.test(String.fromCodePoint(code - value - 1))) value++;
  return String(value % 10);
}

/** Words of languages in which 1.250 means one thousand two hundred and fifty. */
const DECIMAL_COMMA_LANGUAGES =
  /(?<!\p{L})(?:antwort|insgesamt|antwoord|risposta|resposta|cevap|jawaban(?:nya)?|đáp án|svaret)(?!\p{L})/iu;

/** Converts Indian and European numbers to English notation, as far as they can be recognized. */
export function withPointsAndCommas(text: string): string {
  const told = DECIMAL_COMMA_LANGUAGES.test(text)
    ? text.replace(/(?<![\d.,])([1-9]\d{0,2})\.(\d{3})(?![.,]?\d)/g, "$1$2")
    : text;
  return told
    .replace(INDIAN, (number) => number.replace(/,/g, ""))
    .replace(DOTTED, (_, whole: string, cents?: string) =>
      cents === undefined ? whole.replace(/\./g, "") : `${whole.replace(/\./g, "")}.${cents}`,
    )
    .replace(DECIMAL_COMMA, "$1.$2");
}

/** Converts numbers with a scale to powers of ten: `1.5 million` to `1.5e6`. */
export function withScales(text: string): string {
  return text.replace(SCALED, (_, number: string, letter = "", word = "", sign = "") => {
    const name: string = letter || word || sign;
    return `${number}e${SCALES.find(([scale]) => scale.test(name))?.[1]} `;
  });
}

/** Replaces the spaces between thousands by commas. Only for texts that are one number and not a list. */
export function joinSpacedThousands(text: string): string {
  return text.replace(/(?<![\d.,] ?)\d{1,3}(?: \d{3})+(?![\d,])/g, (n) => n.replace(/ /g, ","));
}

const DECIMAL = String.raw`(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d*\(\d+\)|\.\d+)?|\.\d+)(?:[eE][-+]?\d{1,3}(?!\.?\d|\p{L}))?`;
const CURRENCY = String.raw`\p{Sc}`;

/**
 * Matches a number in a text of plain numbers. A minus after a letter, digit or bracket is a subtraction or a
 * range, not a sign. A minus after a currency is a sign.
 */
export const NUMBER = String.raw`(?:[-+](?<!\p{L}[-+])(?<![\d)\]}%]\s*[-+]))?(?:${CURRENCY}\s?-?)?${DECIMAL}(?:\s?/\s?\d+(?!\d|\.\d)|\s\d+/\d+(?!\d|[./]\d))?`;

/** Returns the value of a number as `NUMBER` matches it; `null` for anything else. */
export function parseRational(text: string): Rational | null {
  const bare = text
    .trim()
    .replace(/\u2212/g, "-")
    .replace(/\u2044/g, "/")
    .replace(/^([-+]?)\s*\\?\p{Sc}\s*/u, "$1");
  const mixed = /^([-+]?)(\d+) (\d+)\/(\d+)$/.exec(bare);
  if (mixed !== null) {
    const [, sign, whole = "", above = "", below = ""] = mixed;
    if (whole.length + above.length + below.length > MAX_DIGITS || BigInt(below) === 0n)
      return null;
    const denominator = BigInt(below);
    return signed(sign, { numerator: BigInt(whole) * denominator + BigInt(above), denominator });
  }
  const [above = "", below, ...more] = bare.split("/");
  const numerator = parseDecimal(above);
  if (numerator === null || below === undefined) return numerator;
  const denominator = parseDecimal(below);
  if (more.length > 0 || denominator === null || denominator.numerator <= 0n) return null;
  return {
    numerator: numerator.numerator * denominator.denominator,
    denominator: numerator.denominator * denominator.numerator,
  };
}

/** Parses an integer or decimal, possibly with commas between thousands, repeating digits and an exponent. */
function parseDecimal(text: string): Rational | null {
  const bare = text.trim().replace(/,(?=\d{3}(?!\d))/g, "");
  const match = /^([-+]?)(\d*)(?:\.(\d*)(?:\((\d+)\))?)?(?:[eE]([-+]?\d{1,3}))?$/.exec(bare);
  const [, sign, whole = "", fraction = "", repeated = "", exponent = "0"] = match ?? [];
  const digits = whole + fraction + repeated;
  if (match === null || digits === "" || digits.length > MAX_DIGITS) return null;
  const power = Number(exponent);
  if (Math.abs(power) > MAX_EXPONENT) return null;
  let numerator = BigInt(whole + fraction || "0");
  let denominator = 10n ** BigInt(fraction.length);
  if (repeated !== "") {
    // For example, 0.1(6) is (16 - 1) / 90.
    numerator = BigInt(digits) - numerator;
    denominator *= 10n ** BigInt(repeated.length) - 1n;
  }
  if (power > 0) numerator *= 10n ** BigInt(power);
  else denominator *= 10n ** BigInt(-power);
  return signed(sign, { numerator, denominator });
}

function signed(sign: string | undefined, number: Rational): Rational {
  return sign === "-" ? { ...number, numerator: -number.numerator } : number;
}

export function isEqual(a: Rational, b: Rational): boolean {
  return a.numerator * b.denominator === b.numerator * a.denominator;
}

/** Returns a number as an integer or as a quotient in lowest terms; `null` for other texts. */
export function canonicalRational(text: string): string | null {
  const value = parseRational(text);
  if (value === null) return null;
  const { numerator, denominator } = inLowestTerms(value);
  return denominator === 1n ? `${numerator}` : `${numerator}/${denominator}`;
}

export function inLowestTerms({ numerator, denominator }: Rational): Rational {
  let [a, b] = [numerator < 0n ? -numerator : numerator, denominator];
  while (b !== 0n) [a, b] = [b, a % b];
  return { numerator: numerator / a, denominator: denominator / a };
}
