/** Compares answers that are words. */
import { splitTop } from "./split.js";

/** Matches "and", which joins names without an order. */
export const AND = /(?<![A-Za-z])and(?![A-Za-z])/;

/** Returns the names of "Alice and Bob" in sorted order; `null` if the text isn't a list of words. */
export function namesIn(text: string): string[] | null {
  const items = splitTop(text, /,/);
  return items.length > 1 && items.every(isWords) ? items.map(asWords).toSorted() : null;
}

/**
 * Returns whether a text is words rather than mathematics: words of several letters that aren't LaTeX
 * commands.
 */
export function isWords(text: string): boolean {
  const bare = text.replace(/\\(?:begin|end)\{\w+\}|\\[A-Za-z]+/g, " ");
  return (
    /[A-Za-z]{4,}|^\(?[A-Z]\)?$|^[A-Za-z]{2,}$/.test(bare) && !/^[a-z]{1,3}$/.test(bare.trim())
  );
}

export function asWords(text: string): string {
  const bare = text.toLowerCase().replace(/\s+/g, " ").trim();
  return bare.replace(/^\(([a-z])\)$/, "$1");
}
