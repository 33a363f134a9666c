import { serialize } from "node:v8";

const MAX_ANSWERS = 500;
/** Bytes of the longest question whose answer is kept. */
const MAX_QUESTION = 4000;

/** A cache of answers of an engine's process that never change. It evicts the least recently used ones. */
export class KeptAnswers {
  readonly #answers = new Map<string, unknown>();

  /** Returns a copy of the kept answer to a question of plain values. Calls `ask` if there is none. */
  of<T>(question: readonly unknown[], ask: () => T): T {
    const key = keyOf(question);
    if (key === null) return ask();
    const kept = this.#answers.has(key);
    const answer = kept ? (this.#answers.get(key) as T) : ask();
    this.#answers.delete(key);
    this.#answers.set(key, answer);
    const [oldest] = this.#answers.keys();
    if (this.#answers.size > MAX_ANSWERS && oldest !== undefined) this.#answers.delete(oldest);
    return structuredClone(answer);
  }
}

/** The key of a question; null if it is too long, or if it can't be serialized, which the call refuses. */
function keyOf(question: readonly unknown[]): string | null {
  try {
    const bytes = serialize(question);
    return bytes.length > MAX_QUESTION ? null : bytes.toString("latin1");
  } catch {
    return null;
  }
}
