/** The text of a continuation while the engine draws it. */
import type { Sequences } from "../engine/sequences.js";
import type { Vocabulary } from "../engine/vocabulary.js";

/** How often one looks at what an engine has drawn; a look takes microseconds. */
export const LIVE_INTERVAL_MS = 8;

/** Called with a text as far as it is drawn. */
export type OnLive = (text: string) => void;

/**
 * Looks at the first continuation of the running `generate`, which goes on from the tokens `begun`, and
 * tells of it where it has grown. Undefined where the engine tells nothing before the call ends.
 */
export function liveText(
  context: Sequences,
  vocabulary: Vocabulary,
  begun: readonly number[],
  onLive: OnLive | undefined,
): (() => void) | undefined {
  if (onLive === undefined || context.drawn === undefined) return undefined;
  // It keeps the bytes of a character that is not whole, and each token is read once.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  let read = 0;
  let text = "";
  const append = (tokens: Int32Array) => {
    text += decoder.decode(vocabulary.textBytes(tokens), { stream: true });
  };
  if (begun.length > 0) append(Int32Array.from(begun));
  return () => {
    const tokens = context.drawn?.(read);
    if (tokens === undefined || tokens.length === 0) return;
    read += tokens.length;
    append(tokens);
    onLive(text);
  };
}
