/**
 * Special tokens that a chat message spells out: text like any other, or whoever writes a message
 * could end it and speak for another role.
 */
import { LlamaEtsError } from "./errors.js";
import type { Vocabulary } from "./vocabulary.js";

/** A plane of Unicode for private use: one of its characters stands in no message. */
const FIRST_MARK = 0xf0000;
const MARKS = 0xfffe;

/** Marks what has to be read as plain text, and reads texts with such marks. */
export class LiteralText {
  readonly #vocabulary: Vocabulary;
  readonly #mark: string;

  /** For messages with these contents. */
  constructor(vocabulary: Vocabulary, contents: readonly string[]) {
    this.#vocabulary = vocabulary;
    this.#mark = findMark(contents);
  }

  /** The content with a mark before and after each special token. */
  protect(content: string): string {
    const specials = this.#specialsIn(content);
    if (specials.length === 0) return content;
    // The longest first: one may hold another.
    const pattern = specials.sort((a, b) => b.length - a.length).map(escapeRegExp);
    return content.replace(
      new RegExp(pattern.join("|"), "g"),
      (special) => `${this.#mark}${special}${this.#mark}`,
    );
  }

  /** The tokens of a text with marks, and the text without them. */
  read(marked: string): { tokens: Int32Array; text: string } {
    const pieces = marked.split(this.#mark);
    const tokens = pieces.flatMap((piece, i) =>
      piece === "" ? [] : [...this.#tokenize(piece, i % 2 === 0)],
    );
    return { tokens: Int32Array.from(tokens), text: pieces.join("") };
  }

  /** Texts of the special tokens that the tokenizer would see in a content. */
  #specialsIn(content: string): string[] {
    const plain = new Set(this.#tokenize(content, false));
    const texts = [...new Set(this.#tokenize(content, true))]
      .filter((token) => !plain.has(token))
      .map((token) => this.#vocabulary.tokenText(token));
    return texts.filter((text) => text !== "" && content.includes(text));
  }

  #tokenize(text: string, special: boolean): Int32Array {
    return this.#vocabulary.tokenize(text, { special });
  }
}

function findMark(contents: readonly string[]): string {
  const used = new Set(contents.flatMap((text) => [...text]));
  for (let i = 0; i < MARKS; i++) {
    const mark = String.fromCodePoint(FIRST_MARK + i);
    if (!used.has(mark)) return mark;
  }
  throw new LlamaEtsError("ERR_INVALID_OPTION", "The prompt uses all of Unicode's plane 15");
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}
