/** The text of a continuation while the engine draws it. */
import type { Sequences } from "../engine/sequences.js";
import { ThoughtReader, type ThoughtRules } from "../engine/thoughts.js";
import type { Vocabulary } from "../engine/vocabulary.js";

/** How often one looks at what an engine has drawn; a look takes microseconds. */
export const LIVE_INTERVAL_MS = 8;

/** Called with a text as far as it is drawn, and with its thoughts; null where it has none. */
export type OnLive = (text: string, thoughts: string | null) => void;

/**
 * Looks at the first continuation of the running `generate`, which goes on from the tokens `begun`, and
 * tells of it where it has grown. Undefined where the engine tells nothing before the call ends.
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
  // It keeps the bytes of a character that is not whole, and each token is read once.
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
