/**
 * Checks for options that come from callers. Each check returns the given value with a narrower type,
 * or throws `ERR_INVALID_OPTION`, whose message names the expected and the given value.
 */
import { LlamaEtsError } from "./errors.js";

/** Throws `ERR_INVALID_OPTION`. Checks call this directly if the functions below don't fit. */
export function refuse(name: string, expected: string, value: unknown, fix?: string): never {
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    `Expected \`${name}\` to be ${expected}, got \`${show(value)}\``,
    fix === undefined ? {} : { fix },
  );
}

function show(value: unknown): string {
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (typeof value === "function") return "a function";
  const text = asJson(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** The value as JSON; undefined if JSON can't represent it, as with a symbol. */
function asJson(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return Array.isArray(value) ? "an array" : "an object"; // the value is circular or holds a bigint
  }
}

/** Applies the check to an option that may be omitted. */
export function optional<T, R>(
  check: (name: string, value: T) => R,
  name: string,
  value: T | undefined,
): R | undefined {
  return value === undefined ? undefined : check(name, value);
}

export function checkInteger(name: string, value: unknown, min: number, max: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) {
    return value;
  }
  return refuse(name, `an integer from ${min} to ${max}`, value);
}

export function checkNumber(name: string, value: unknown, min: number, max: number): number {
  if (typeof value === "number" && value >= min && value <= max) return value;
  return refuse(name, `a number from ${min} to ${max}`, value);
}

/** A number above 0; `Infinity` is allowed. */
export function checkPositive(name: string, value: unknown): number {
  if (typeof value === "number" && value > 0) return value;
  return refuse(name, "a number above 0", value);
}

export function checkBoolean(name: string, value: unknown): boolean {
  return typeof value === "boolean" ? value : refuse(name, "true or false", value);
}

export function checkString(name: string, value: unknown): string {
  return typeof value === "string" ? value : refuse(name, "a string", value);
}

export function checkStrings(name: string, value: unknown): string[] {
  const isStrings = isDense(value) && value.every((v) => typeof v === "string" && v !== "");
  return isStrings ? (value as string[]) : refuse(name, "an array of non-empty strings", value);
}

export function checkFunction<T>(name: string, value: T): T {
  return typeof value === "function" ? value : refuse(name, "a function", value);
}

/** An `AbortSignal`. It may come from another realm, so `instanceof` doesn't work. */
export function checkSignal(name: string, value: unknown): AbortSignal {
  const isSignal =
    isObject(value) &&
    typeof value.aborted === "boolean" &&
    typeof value.addEventListener === "function" &&
    typeof value.throwIfAborted === "function";
  return isSignal ? (value as unknown as AbortSignal) : refuse(name, "an AbortSignal", value);
}

/** An array without holes; its elements are not checked. */
export function checkArray<T extends readonly unknown[]>(name: string, value: T): T {
  return isDense(value) ? value : refuse(name, "an array without holes", value);
}

/** An array without holes. `every` and `map` skip holes, as in `[, "a"]` or `new Array(3)`. */
export function isDense(value: unknown): value is unknown[] {
  return Array.isArray(value) && !value.includes(undefined);
}

export function checkObject<T>(name: string, value: T): T {
  return isObject(value) ? value : refuse(name, "an object", value);
}

/** An object; each of these fields that is defined must be a number of at least 0. */
export function checkSizes<T>(name: string, value: T, fields: readonly (keyof T & string)[]): T {
  checkObject(name, value);
  for (const field of fields) {
    const size = value[field];
    if (size !== undefined) checkNumber(`${name}.${field}`, size, 0, Number.MAX_SAFE_INTEGER);
  }
  return value;
}

/** A model as `loadModel` returns it. */
export function checkModel<T>(name: string, value: T): T {
  const isModel =
    isObject(value) && isObject(value.info) && typeof value[Symbol.asyncDispose] === "function";
  return isModel ? value : refuse(name, "a loaded model", value);
}

/** A model, or an object that has a model's vocabulary. */
export function checkVocabulary<T>(name: string, value: T): T {
  const isVocabulary =
    isObject(value) && isObject(value.info) && typeof value.tokenText === "function";
  return isVocabulary ? value : refuse(name, "a loaded model", value);
}

function isObject(value: unknown): value is Record<string | symbol, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function checkOneOf<T extends string | boolean>(
  name: string,
  value: unknown,
  choices: readonly T[],
): T {
  if (choices.includes(value as T)) return value as T;
  const expected = `one of ${choices.map((c) => JSON.stringify(c)).join(", ")}`;
  return refuse(name, expected, value, nearestOf(value, choices));
}

/**
 * The choice that a misspelled text probably means; undefined if no choice is similar. For a choice
 * such as `regex:PATTERN`, the result keeps the part after the text's own colon.
 */
export function nearestOf(value: unknown, choices: readonly unknown[]): string | undefined {
  if (typeof value !== "string") return undefined;
  const [written = "", ...rest] = value.split(":");
  const most = Math.min(2, Math.max(1, Math.floor(written.length / 3)));
  const near = choices
    .filter((choice): choice is string => typeof choice === "string")
    .map((choice) => ({ choice, kind: choice.split(":")[0] as string }))
    .map((one) => ({ ...one, away: distance(one.kind.toLowerCase(), written.toLowerCase()) }))
    .filter(({ away }) => away <= most)
    .sort((a, b) => a.away - b.away)[0];
  if (near === undefined) return undefined;
  const hasValue = near.choice.includes(":") && rest.length > 0;
  return hasValue ? [near.kind, ...rest].join(":") : near.choice;
}

/** Refuses unknown properties: a misspelled option would otherwise silently have its default. */
export function checkKeys(name: string, value: unknown, known: readonly string[]): void {
  if (!isObject(value)) refuse(name, "an object", value);
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue;
    const near = known.find((k) => distance(k.toLowerCase(), key.toLowerCase()) <= 2);
    throw new LlamaEtsError("ERR_INVALID_OPTION", `Unknown option \`${key}\` in \`${name}\``, {
      fix: near === undefined ? `one of ${known.join(", ")}` : `\`${near}\``,
    });
  }
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, substituted));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
