/**
 * Checks for options that come from callers. Each returns the value it was given, narrowed, or
 * throws `ERR_INVALID_OPTION` with what was expected and what came.
 */
import { LlamaEtsError } from "./errors.js";

function refuse(name: string, expected: string, value: unknown, fix?: string): never {
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    `Expected \`${name}\` to be ${expected}, got \`${show(value)}\``,
    fix === undefined ? {} : { fix },
  );
}

function show(value: unknown): string {
  if (typeof value === "number" || typeof value === "bigint") return String(value);
  if (typeof value === "function") return "a function";
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
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
  const isStrings = Array.isArray(value) && value.every((v) => typeof v === "string" && v !== "");
  return isStrings ? value : refuse(name, "an array of non-empty strings", value);
}

export function checkOneOf<T extends string | boolean>(
  name: string,
  value: unknown,
  choices: readonly T[],
): T {
  if (choices.includes(value as T)) return value as T;
  return refuse(name, `one of ${choices.map((c) => JSON.stringify(c)).join(", ")}`, value);
}

/** Refuses unknown properties, so that a misspelt option is an error and not a default. */
export function checkKeys(name: string, value: unknown, known: readonly string[]): void {
  if (typeof value !== "object" || value === null) refuse(name, "an object", value);
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
