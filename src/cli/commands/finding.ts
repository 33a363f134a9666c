/** The result of one check of `doctor`. */
import { LlamaEtsError, messageOf } from "../../engine/errors.js";

export interface Finding {
  check: string;
  ok: boolean;
  detail: string;
}

/** Runs a check. An error becomes a finding with its code. */
export async function find(check: string, look: () => string | Promise<string>): Promise<Finding> {
  try {
    return { check, ok: true, detail: await look() };
  } catch (error) {
    const code = error instanceof LlamaEtsError ? ` (${error.code})` : "";
    return { check, ok: false, detail: `${messageOf(error)}${code}` };
  }
}
