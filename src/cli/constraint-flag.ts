/** `--constraint KIND:VALUE`. */
import { statSync } from "node:fs";
import type { Constraint } from "../engine/constraint/constraint.js";
import { LlamaEtsError } from "../engine/errors.js";
import { readJson, readText } from "./prompt-files.js";

const FLAG = "--constraint";

const KINDS: Readonly<Record<string, (value: string) => Constraint>> = {
  json: (file) => ({ json: schemaOf(file) }),
  regex: (regex) => ({ regex }),
  grammar: (file) => ({ grammar: readText(FLAG, file) }),
  choices: (value) => ({ choices: choicesOf(value) }),
  words: (count) => ({ words: countOf("words", count) }),
  lines: (count) => ({ lines: countOf("lines", count) }),
};

/**
 * Parses the flag: `json:FILE`, `regex:EXPRESSION`, `grammar:FILE`, `choices:a,b` or `choices:FILE`,
 * `words:12`, `lines:3`. Blanks around choices are removed. A file has one choice per line.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`. `compileConstraint` checks later whether the constraint can be
 *   met.
 */
export function parseConstraintFlag(given: string): Constraint {
  const colon = given.indexOf(":");
  const kind = colon === -1 ? given : given.slice(0, colon);
  const value = colon === -1 ? "" : given.slice(colon + 1);
  const parse = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  if (parse === undefined || value === "") {
    throw refusal(
      `expected KIND:VALUE with KIND one of ${Object.keys(KINDS).join(", ")}, got \`${given}\``,
      `${FLAG} words:12, or ${FLAG} json:schema.json`,
    );
  }
  return parse(value);
}

function schemaOf(file: string): object | boolean {
  const schema = readJson(FLAG, file);
  if (typeof schema === "boolean") return schema;
  if (typeof schema === "object" && schema !== null && !Array.isArray(schema)) return schema;
  throw refusal(
    `expected ${file} to hold a JSON schema, an object`,
    'a file such as {"type":"object"}',
  );
}

function choicesOf(value: string): string[] {
  const isFile = statSync(value, { throwIfNoEntry: false })?.isFile() === true;
  const parts = isFile ? readText(FLAG, value).split(/\r?\n/) : value.split(",");
  const choices = parts.map((part) => part.trim());
  return isFile ? choices.filter((choice) => choice !== "") : choices;
}

function countOf(kind: string, count: string): number {
  if (/^[0-9]+$/.test(count)) return Number(count);
  throw refusal(
    `expected ${kind}: to be followed by a whole number, got \`${count}\``,
    `${kind}:12`,
  );
}

function refusal(message: string, fix: string): LlamaEtsError {
  return new LlamaEtsError("ERR_INVALID_OPTION", `${FLAG}: ${message}`, { fix });
}
