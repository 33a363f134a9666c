import { LlamaEtsError } from "../errors.js";

/** What is wrong with a constraint, where, and what would do instead. */
export function refusal(message: string, fix: string, cause?: unknown): LlamaEtsError {
  return new LlamaEtsError("ERR_CONSTRAINT", message, { fix, cause });
}

/** A part of what a user wrote, for a message. */
export function excerpt(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
