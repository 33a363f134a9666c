import type { AnySchemaObject, ValidateFunction } from "ajv";
import { checkObject } from "../engine/check.js";
import { LlamaEtsError, messageOf } from "../engine/errors.js";
import type { Reward } from "./reward.js";
import { inTime, verifier } from "./verifier.js";

/**
 * 1 for texts that are JSON that is valid under the schema. The JSON is the whole text or the text's last
 * fenced block. Schemas are of draft 2020-12, or of draft-07 if `$schema` says so; `format` is not checked.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION` if the schema is invalid
 */
export async function jsonSchemaVerifier(schema: object): Promise<Reward> {
  const isValid = await compile(checkObject("schema", schema));
  return verifier(({ text }) => {
    const value = parse(text);
    return value !== undefined && inTime("json-schema", () => isValid(value));
  }, "json-schema");
}

async function compile(schema: object): Promise<ValidateFunction> {
  try {
    const { $schema = "" } = schema as AnySchemaObject;
    const isOld = String($schema).includes("draft-07");
    const { default: ajv } = isOld ? await import("ajv") : await import("ajv/dist/2020.js");
    const options = { strict: false, validateFormats: false, logger: false } as const;
    return new ajv.default(options).compile(schema);
  } catch (error) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", `Not a JSON schema: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

/** The JSON value of a text; `undefined` if it has none. */
function parse(text: string): unknown {
  const fenced = [...text.matchAll(/```(?:json)?[ \t]*\n(.*?)```/gs)].at(-1)?.[1];
  try {
    return JSON.parse(fenced ?? text);
  } catch {
    return undefined;
  }
}
