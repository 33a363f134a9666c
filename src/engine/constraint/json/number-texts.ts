/** JSON texts of the numbers in a range. The parsed double is always in the range too. */
import {
  choice,
  EMPTY,
  type Expression,
  optional,
  repeat,
  sequence,
  set,
  text,
} from "../expression.js";

export interface NumberBounds {
  /** Both bounds may be infinite. */
  min: number;
  max: number;
  /** Whether the bound itself is excluded. */
  isAboveMin: boolean;
  isBelowMax: boolean;
}

/** The most digits before the point. Doubles represent all such integers exactly. */
const DIGITS = 15;
const LARGEST = 10 ** DIGITS - 1;
const FRACTION_DIGITS = 10;

const digit = (from: number, to: number): Expression => set([[0x30 + from, 0x30 + to]]);
const ANY_DIGIT = digit(0, 9);
const POINT = text(".");
const MINUS = text("-");

const WHOLE = choice([text("0"), sequence(digit(1, 9), repeat(ANY_DIGIT, 0, DIGITS - 1))]);

export const ANY_INTEGER = sequence(optional(MINUS), WHOLE);
/** Any number. An exponent has at most two digits, so that no double overflows. */
export const ANY_NUMBER = sequence(
  optional(MINUS),
  WHOLE,
  optional(sequence(POINT, repeat(ANY_DIGIT, 1, FRACTION_DIGITS))),
  optional(
    sequence(
      set([..."eE"].map(codeRange)),
      optional(set([..."+-"].map(codeRange))),
      digit(1, 9),
      optional(ANY_DIGIT),
    ),
  ),
);

function codeRange(character: string): [number, number] {
  const point = character.codePointAt(0) ?? 0;
  return [point, point];
}

/** Integers of up to fifteen digits, from `min` to `max`. */
export function integersBetween(min: number, max: number): Expression {
  const low = Math.max(Math.ceil(min), -LARGEST);
  const high = Math.min(Math.floor(max), LARGEST);
  const options: Expression[] = [];
  if (low < 0 && low <= high) {
    options.push(sequence(MINUS, wholeBetween(Math.max(1, -high), -low)));
  }
  if (high >= 0 && low <= high) options.push(wholeBetween(Math.max(0, low), high));
  return choice(options);
}

/** @param low an integer of at least 0, like `high` */
function wholeBetween(low: number, high: number): Expression {
  const options: Expression[] = [];
  for (let from = low; from <= high; ) {
    const length = String(from).length;
    const to = Math.min(high, 10 ** length - 1);
    options.push(sameLength(String(from), String(to)));
    from = to + 1;
  }
  return choice(options);
}

function sameLength(low: string, high: string): Expression {
  if (low === "") return EMPTY;
  if (/^0*$/.test(low) && /^9*$/.test(high)) return repeat(ANY_DIGIT, low.length, low.length);
  const first = Number(low[0]);
  const last = Number(high[0]);
  const rest = low.length - 1;
  if (first === last) return sequence(digit(first, first), sameLength(low.slice(1), high.slice(1)));
  const isLowWhole = /^0*$/.test(low.slice(1));
  const isHighWhole = /^9*$/.test(high.slice(1));
  const from = isLowWhole ? first : first + 1;
  const to = isHighWhole ? last : last - 1;
  return choice([
    ...(isLowWhole
      ? []
      : [sequence(digit(first, first), sameLength(low.slice(1), "9".repeat(rest)))]),
    ...(from <= to ? [sequence(digit(from, to), repeat(ANY_DIGIT, rest, rest))] : []),
    ...(isHighWhole
      ? []
      : [sequence(digit(last, last), sameLength("0".repeat(rest), high.slice(1)))]),
  ]);
}

/** Numbers with up to fifteen digits before the point and up to ten after it. */
export function numbersBetween({ min, max, isAboveMin, isBelowMax }: NumberBounds): Expression {
  const options: Expression[] = [];
  if (min < 0) {
    const isToZero = max >= 0;
    const low = { value: isToZero ? 0 : -max, isOutside: isToZero || isBelowMax };
    options.push(sequence(MINUS, magnitudes(low, { value: -min, isOutside: isAboveMin })));
  }
  if (max >= 0) {
    const low = min < 0 ? { value: 0, isOutside: false } : { value: min, isOutside: isAboveMin };
    options.push(magnitudes(low, { value: max, isOutside: isBelowMax }));
  }
  return choice(options);
}

interface Bound {
  value: number;
  isOutside: boolean;
}

function magnitudes(low: Bound, high: Bound): Expression {
  if (low.value > high.value || low.value > LARGEST) return choice([]);
  const [lowWhole, lowFraction] = decimal(low.value);
  const isOpen = high.value > LARGEST;
  const [highWhole, highFraction] = decimal(isOpen ? LARGEST + 1 : high.value);
  const from: Edge = { fraction: lowFraction, isIn: !low.isOutside };
  const to: Edge = { fraction: highFraction, isIn: !high.isOutside };
  if (lowWhole === highWhole) return sequence(text(String(lowWhole)), fraction(from, to, lowWhole));
  return choice([
    sequence(text(String(lowWhole)), fraction(from, undefined, lowWhole)),
    sequence(wholeBetween(lowWhole + 1, highWhole - 1), fraction(undefined, undefined, 0)),
    ...(isOpen ? [] : [sequence(text(String(highWhole)), fraction(undefined, to, highWhole))]),
  ]);
}

/** The integer part, and the digits of the fraction without trailing zeros. */
function decimal(value: number): [number, string] {
  const whole = Math.floor(value);
  const shown = String(value);
  const [mantissa = "", exponent = "0"] = shown.split("e");
  const [before = "", after = ""] = mantissa.split(".");
  const shift = Number(exponent);
  if (shift >= 0) return [whole, shift > 0 ? "" : after];
  return [0, `${"0".repeat(-shift - 1)}${before}${after}`.replace(/0+$/, "")];
}

interface Edge {
  fraction: string;
  isIn: boolean;
}

/** A fraction from `low` to `high`, or none. An undefined edge is no bound. */
function fraction(low: Edge | undefined, high: Edge | undefined, whole: number): Expression {
  // A number with more than fifteen digits could round to an excluded bound.
  const digits = Math.max(0, Math.min(FRACTION_DIGITS, DIGITS - String(whole).length));
  const written = digitsBetween(low, high, digits);
  const options = written.options.length > 0 ? [sequence(POINT, choice(written.options))] : [];
  return choice(written.mayBeEmpty ? [EMPTY, ...options] : options);
}

/** Up to `left` digits of the fraction; `mayBeEmpty` says whether no digits are in the range too. */
function digitsBetween(low: Edge | undefined, high: Edge | undefined, left: number) {
  const mayBeEmpty =
    (low === undefined || (low.fraction === "" && low.isIn)) &&
    (high === undefined || high.fraction !== "" || high.isIn);
  const options: Expression[] = [];
  if (left > 0 && low === undefined && high === undefined) {
    options.push(repeat(ANY_DIGIT, 1, left));
  } else if (left > 0) {
    const first = low === undefined ? 0 : Number(low.fraction[0] ?? 0);
    const last = high === undefined ? 9 : Number(high.fraction[0] ?? 0);
    const from = low === undefined ? first : first + 1;
    const to = high === undefined ? last : last - 1;
    if (from <= to) options.push(sequence(digit(from, to), repeat(ANY_DIGIT, 0, left - 1)));
    const edges =
      first === last ? [first] : [first, last].filter((each) => each < from || each > to);
    for (const edge of first <= last ? edges : []) {
      const { mayBeEmpty: mayEnd, options: more } = digitsBetween(
        edge === first ? after(low) : undefined,
        edge === last ? after(high) : undefined,
        left - 1,
      );
      const rest = choice(mayEnd ? [EMPTY, ...more] : more);
      options.push(sequence(digit(edge, edge), rest));
    }
  }
  return { mayBeEmpty, options: options.filter((each) => !isNothing(each)) };
}

function after(edge: Edge | undefined): Edge | undefined {
  return edge === undefined ? undefined : { ...edge, fraction: edge.fraction.slice(1) };
}

function isNothing(expression: Expression): boolean {
  return expression.type === "choice" && expression.options.length === 0;
}
