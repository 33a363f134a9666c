import { serialize } from "node:v8";

const MAX_ANSWERS = 500;
/** Bytes of a question: those of long texts are asked again. */
const MAX_QUESTION = 4000;

/** What an engine's process answered that it will always answer so: the least recently used go first. */
export class KeptAnswers {
  readonly #answers = new Map<string, unknown>();

  /** The answer to these plain values, which `ask` gives where it isn't kept; a copy each time. */
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

/** Null of what is too long, or can't cross: that the call itself refuses. */
function keyOf(question: readonly unknown[]): string | null {
  try {
    const bytes = serialize(question);
    return bytes.length > MAX_QUESTION ? null : bytes.toString("latin1");
  } catch {
    return null;
  }
}
