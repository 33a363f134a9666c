/** What `doctor` found of one thing. */
import { LlamaEtsError, messageOf } from "../../engine/errors.js";

export interface Finding {
  check: string;
  ok: boolean;
  detail: string;
}

/** An error is a finding, with its code. */
export async function find(check: string, look: () => string | Promise<string>): Promise<Finding> {
  try {
    return { check, ok: true, detail: await look() };
  } catch (error) {
    const code = error instanceof LlamaEtsError ? ` (${error.code})` : "";
    return { check, ok: false, detail: `${messageOf(error)}${code}` };
  }
}
