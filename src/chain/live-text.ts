/** The text of a continuation while the engine draws it. */
import type { Sequences } from "../engine/sequences.js";
import { ThoughtReader, type ThoughtRules } from "../engine/thoughts.js";
import type { Vocabulary } from "../engine/vocabulary.js";

/** The interval between two looks at the text that an engine draws. A look takes microseconds. */
export const LIVE_INTERVAL_MS = 8;

/** Called with the text that is drawn so far and its thoughts, or null if it has none. */
export type OnLive = (text: string, thoughts: string | null) => void;

/**
 * Returns a function that looks at the first continuation of the running `generate`, which continues the
 * tokens `begun`, and calls `onLive` if it has grown. Returns undefined if the engine shows nothing before
 * the call ends.
 */
export function liveText(
  context: Sequences,
  vocabulary: Vocabulary,
  { begun, thoughts }: { begun: readonly number[]; thoughts: ThoughtRules | null },
  onLive: OnLive | undefined,
): (() => void) | undefined {
  if (onLive === undefined || context.drawn === undefined) return undefined;
  const text =
    thoughts === null
      ? new PlainText(vocabulary)
      : new ThoughtfulText(new ThoughtReader(vocabulary, thoughts));
  if (begun.length > 0) text.append(Int32Array.from(begun));
  let read = 0;
  return () => {
    const tokens = context.drawn?.(read);
    if (tokens === undefined || tokens.length === 0) return;
    read += tokens.length;
    text.append(tokens);
    text.show(onLive);
  };
}

class PlainText {
  readonly #vocabulary: Vocabulary;
  // The decoder keeps the bytes of an incomplete character, so each token is read only once.
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #text = "";

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
  }

  append(tokens: Int32Array): void {
    this.#text += this.#decoder.decode(this.#vocabulary.textBytes(tokens), { stream: true });
  }

  show(onLive: OnLive): void {
    onLive(this.#text, null);
  }
}

class ThoughtfulText {
  readonly #reader: ThoughtReader;

  constructor(reader: ThoughtReader) {
    this.#reader = reader;
  }

  append(tokens: Int32Array): void {
    for (const token of tokens) this.#reader.add(token);
  }

  show(onLive: OnLive): void {
    const { answer, thoughts } = this.#reader.certain();
    onLive(answer.toString("utf8"), thoughts);
  }
}
