import { LlamaEtsError } from "../errors.js";
import { withTimeLimit } from "../time-limit.js";

/** Usual schemas take milliseconds. Hostile ones may multiply, or contain patterns that backtrack. */
const LIMIT_MS = 5000;

/** An `ERR_CONSTRAINT`. The message says what is wrong with a constraint and where. */
export function refusal(message: string, fix: string, cause?: unknown): LlamaEtsError {
  return new LlamaEtsError("ERR_CONSTRAINT", message, { fix, cause });
}

/** Shortens a user's text for a message. */
export function excerpt(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** Reads a constraint or a part of one, which may be hostile. Throws `ERR_CONSTRAINT` after five seconds. */
export function readInTime<T>(name: string, read: () => T): T {
  return withTimeLimit(LIMIT_MS, read, () =>
    refusal(`${name} takes more than ${LIMIT_MS} ms to read`, "a smaller one, or simpler patterns"),
  );
}
