/** A model's tokens: plain data, which needs no engine thread. */

export interface VocabularyInfo {
  vocabSize: number;
  /** Special tokens; null where the vocabulary has none. */
  bos: number | null;
  eos: number | null;
  eot: number | null;
  pad: number | null;
  /** Stands for what is not yet known in a diffusion model's texts. */
  mask: number | null;
  /** Whether a text begins with `bos`, and ends with `eos`. */
  addBos: boolean;
  addEos: boolean;
  /** Jinja source; null without one, or with an empty one. */
  chatTemplate: string | null;
}

/** A token that stands for no text of its own: a role, an end, what is unknown. */
export interface SpecialToken {
  readonly token: number;
  /** How a template writes it. */
  readonly text: string;
  /** Whether it swallows the white space before it, and behind it. */
  readonly stripsLeft: boolean;
  readonly stripsRight: boolean;
}

/** Every call throws `ERR_DISPOSED` once the model was disposed. */
export interface Vocabulary {
  readonly info: Readonly<VocabularyInfo>;
  /** What the model's file says of it. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Token ids of a text. What looks like a special token is one only with `special`. */
  tokenize(text: string, options?: { special?: boolean }): Int32Array;
  /**
   * The text of token ids; special tokens have none, unless `special` writes them out. Some
   * vocabularies put a space before a document, which its text lacks: with `continues` the tokens
   * stand behind others, and no space is taken away.
   */
  detokenize(tokens: Int32Array, options?: { special?: boolean; continues?: boolean }): string;
  /** What `detokenize` reads with `continues`, in UTF-8; a character may lack bytes at the ends. */
  textBytes(tokens: Int32Array, options?: { special?: boolean }): Buffer;
  /** All of them, in the order of their ids. */
  specialTokens(): readonly SpecialToken[];
  /** The vocabulary's entry for a token. */
  tokenText(token: number): string;
  /** Whether a token ends the text (EOS, EOT and their like). */
  isEndToken(token: number): boolean;
  /** The lowest token id at which two vocabularies differ, padding at the end aside. */
  firstDifference(other: Vocabulary): number | null;
}
