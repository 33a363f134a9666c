/**
 * Finds special tokens in a text as llama.cpp's tokenizer does. Unlike that tokenizer, it can read some
 * of their occurrences as plain text.
 */
import type { SpecialToken, Vocabulary } from "./vocabulary.js";

/** An occurrence of a special token's text in a longer text, from `start` (included) to `end` (excluded). */
export interface Occurrence {
  start: number;
  end: number;
  special: SpecialToken;
}

interface Part {
  from: number;
  to: number;
}

/** Finds special tokens in texts of one vocabulary, and tokenizes these texts. */
export class SpecialText {
  readonly #vocabulary: Vocabulary;
  /** Sorted from the longest to the shortest, as in llama.cpp: one special text may contain another. */
  readonly #specials: readonly SpecialToken[];
  /** Proper prefixes and suffixes of special tokens' texts. */
  readonly #beginnings = new Set<string>();
  readonly #ends = new Set<string>();
  #longest = 0;

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary;
    this.#specials = vocabulary
      .specialTokens()
      .filter(({ text }) => text !== "")
      .sort((a, b) => Buffer.byteLength(b.text) - Buffer.byteLength(a.text));
    for (const { text } of this.#specials) {
      for (let i = 1; i < text.length; i++) {
        this.#beginnings.add(text.slice(0, i));
        this.#ends.add(text.slice(i));
      }
      this.#longest = Math.max(this.#longest, text.length);
    }
  }

  /** Finds all occurrences of special tokens, without overlaps, in the order of the text. */
  find(text: string): Occurrence[] {
    const found: Occurrence[] = [];
    let rest: Part[] = [{ from: 0, to: text.length }];
    for (const special of this.#specials.filter((one) => text.includes(one.text))) {
      rest = rest.flatMap(({ from, to }) => {
        const part = text.slice(from, to);
        const parts: Part[] = [];
        let after = 0;
        for (let at = part.indexOf(special.text); at >= 0; at = part.indexOf(special.text, after)) {
          parts.push({ from: from + after, to: from + at });
          after = at + special.text.length;
          found.push({ start: from + at, end: from + after, special });
        }
        return [...parts, { from: from + after, to }];
      });
    }
    return found.sort((a, b) => a.start - b.start);
  }

  /** Whether the text's beginning or end could become part of a special token beside another text. */
  mayJoin(text: string): { before: boolean; behind: boolean } {
    const lengths = Array.from({ length: Math.min(text.length, this.#longest) }, (_, i) => i + 1);
    return {
      before: lengths.some((length) => this.#ends.has(text.slice(0, length))),
      behind: lengths.some((length) => this.#beginnings.has(text.slice(-length))),
    };
  }

  /** The tokens of a text in which only these occurrences are special tokens. */
  read(text: string, specials: readonly Occurrence[]): number[] {
    const tokens: number[] = [];
    let from = 0;
    const readUpTo = (end: number, stripsRight: boolean) => {
      const plain = text.slice(from, end);
      for (const token of this.plain(stripsRight ? trimEnd(plain) : plain)) tokens.push(token);
    };
    for (const { start, end, special } of specials) {
      readUpTo(start, special.stripsLeft);
      tokens.push(special.token);
      from = end;
      if (special.stripsRight) while (isSpace(text[from])) from++;
    }
    readUpTo(text.length, false);
    return tokens;
  }

  /** The tokens of a text that is read as plain text, without special tokens. */
  plain(text: string): number[] {
    return text === "" ? [] : [...this.#vocabulary.tokenize(text)];
  }
}

/** Like isspace of C: only ASCII white space counts. */
function isSpace(character: string | undefined): boolean {
  return character !== undefined && " \t\n\v\f\r".includes(character);
}

function trimEnd(text: string): string {
  let end = text.length;
  while (isSpace(text[end - 1])) end--;
  return text.slice(0, end);
}
