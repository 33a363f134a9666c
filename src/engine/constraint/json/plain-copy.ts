/** Copies a caller's schema to plain data of limited size. */
import type { AnySchemaObject } from "ajv";
import { LlamaEtsError, messageOf } from "../../errors.js";
import { refusal } from "../refusal.js";

const MAX_DEPTH = 100;
const MAX_CHARACTERS = 1_000_000;

/** A copy of a schema without prototypes, getters or cycles. Throws `ERR_CONSTRAINT` if it isn't JSON. */
export function plainCopy(given: unknown): AnySchemaObject | boolean {
  let text: string | undefined;
  let values = 0;
  try {
    text = JSON.stringify(given, (key, value) => {
      // An object that is referred to several times is written each time, so count the values.
      if (++values > MAX_CHARACTERS / 2) throw tooLong();
      return isJson(key, value);
    });
  } catch (error) {
    if (error instanceof LlamaEtsError) throw error;
    throw refusal(`The JSON schema isn't JSON: ${messageOf(error)}`, "plain data", error);
  }
  const schema: unknown = text === undefined ? undefined : JSON.parse(text);
  const isObject = typeof schema === "object" && schema !== null && !Array.isArray(schema);
  if (typeof schema !== "boolean" && !isObject) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      "Expected `constraint.json` to be a JSON schema, an object or true",
    );
  }
  if ((text ?? "").length > MAX_CHARACTERS) throw tooLong();
  if (depthOf(schema) > MAX_DEPTH) {
    throw refusal(`The JSON schema nests deeper than ${MAX_DEPTH}`, "parts under $defs, and $ref");
  }
  return schema as AnySchemaObject | boolean;
}

function tooLong(): LlamaEtsError {
  return refusal(`The JSON schema has more than ${MAX_CHARACTERS} characters`, "a smaller schema");
}

/** Throws for values that JSON would change: NaN to null, a Map to an empty object. Allows undefined. */
function isJson(key: string, value: unknown): unknown {
  const kind = Object.prototype.toString.call(value).slice("[object ".length, -1);
  const isKnown = ["Object", "Array", "String", "Number", "Boolean", "Null", "Undefined"];
  const isOutside = typeof value === "number" && !Number.isFinite(value);
  if (!isKnown.includes(kind) || isOutside) {
    throw new Error(`\`${key}\` is ${isOutside ? value : kind}`);
  }
  if (Array.isArray(value) && value.includes(undefined))
    throw new Error(`\`${key}\` has undefined`);
  return value;
}

function depthOf(value: unknown): number {
  let level: unknown[] = [value];
  for (let depth = 0; ; depth++) {
    level = level.flatMap((each) =>
      typeof each === "object" && each !== null ? Object.values(each) : [],
    );
    if (level.length === 0 || depth > MAX_DEPTH) return depth;
  }
}
