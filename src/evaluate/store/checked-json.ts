/** Checks JSON from untrusted files before it is used. */
import type { z } from "zod";
import { LlamaEtsError, messageOf } from "../../engine/errors.js";

/**
 * Parses JSON. Throws `ERR_INVALID_DATA`, which says where the error is, and what was expected if `fix` is
 * given.
 */
export function parseJson(text: string, where: string, fix?: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = `${where}: expected JSON: ${messageOf(error)}`;
    throw new LlamaEtsError("ERR_INVALID_DATA", message, fix === undefined ? {} : { fix });
  }
}

/**
 * Checks a value. Throws `ERR_INVALID_DATA`, which says where the error is and names the first wrong field.
 */
export function validate<T>(schema: z.ZodType<T>, value: unknown, where: string, fix?: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const field = issue?.path.join(".") ?? "";
  throw new LlamaEtsError(
    "ERR_INVALID_DATA",
    `${where}${field === "" ? "" : `, \`${field}\``}: ${issue?.message ?? "malformed"}`,
    fix === undefined ? {} : { fix },
  );
}
