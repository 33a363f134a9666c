/** JSON that may come from anywhere: files are checked before they are used. */
import type { z } from "zod";
import { LlamaEtsError, messageOf } from "../../engine/errors.js";

/** Throws `ERR_INVALID_DATA`, which says where, and with a fix what was expected there. */
export function parseJson(text: string, where: string, fix?: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = `${where}: expected JSON: ${messageOf(error)}`;
    throw new LlamaEtsError("ERR_INVALID_DATA", message, fix === undefined ? {} : { fix });
  }
}

/** Throws `ERR_INVALID_DATA`, which says where, and names the first field that is wrong. */
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
