/** JSON that may come from anywhere: files are checked before they are used. */
import type { z } from "zod";
import { LlamaEtsError, messageOf } from "../../engine/errors.js";

/** Throws `ERR_INVALID_DATA`, which says where. */
export function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new LlamaEtsError("ERR_INVALID_DATA", `${where}: expected JSON: ${messageOf(error)}`);
  }
}

/** Throws `ERR_INVALID_DATA`, which says where, and names the first field that is wrong. */
export function validate<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const field = issue?.path.join(".") ?? "";
  throw new LlamaEtsError(
    "ERR_INVALID_DATA",
    `${where}${field === "" ? "" : `, \`${field}\``}: ${issue?.message ?? "malformed"}`,
  );
}
