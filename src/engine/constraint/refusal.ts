import { LlamaEtsError } from "../errors.js";
import { withTimeLimit } from "../time-limit.js";

/** Schemas that people write take milliseconds; others may multiply, or hold patterns that backtrack. */
const LIMIT_MS = 5000;

/** What is wrong with a constraint, where, and what would do instead. */
export function refusal(message: string, fix: string, cause?: unknown): LlamaEtsError {
  return new LlamaEtsError("ERR_CONSTRAINT", message, { fix, cause });
}

/** A part of what a user wrote, for a message. */
export function excerpt(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** Reads a constraint, or a part of it, which may be hostile. Throws `ERR_CONSTRAINT` after five seconds. */
export function readInTime<T>(name: string, read: () => T): T {
  return withTimeLimit(LIMIT_MS, read, () =>
    refusal(`${name} takes more than ${LIMIT_MS} ms to read`, "a smaller one, or simpler patterns"),
  );
}
