/** The interface of a model's vocabulary. It is plain data, so its calls need no engine thread. */

/** The size and the special tokens of a vocabulary. */
export interface VocabularyInfo {
  vocabSize: number;
  /** Ids of special tokens; each is null if the vocabulary lacks it. */
  bos: number | null;
  eos: number | null;
  eot: number | null;
  pad: number | null;
  /** Stands at the positions of a diffusion model's text that are not yet known. */
  mask: number | null;
  /** Whether a text begins with `bos`, and ends with `eos`. */
  addBos: boolean;
  addEos: boolean;
  /** Jinja source of the chat template; null if the model has none or an empty one. */
  chatTemplate: string | null;
}

/** The special tokens of a vocabulary that has none, or whose special tokens are unknown. */
export const NO_SPECIAL_TOKENS = {
  bos: null,
  eos: null,
  eot: null,
  pad: null,
  mask: null,
  addBos: false,
  addEos: false,
} as const satisfies Omit<VocabularyInfo, "vocabSize" | "chatTemplate">;

/** A token with a special meaning, such as a role, the end of a text or a mask, instead of a text. */
export interface SpecialToken {
  readonly token: number;
  /** The text by which templates write it. */
  readonly text: string;
  /** Whether the tokenizer drops white space before it, and after it. */
  readonly stripsLeft: boolean;
  readonly stripsRight: boolean;
}

/** A model's vocabulary. Every call throws `ERR_DISPOSED` after the model's disposal. */
export interface Vocabulary {
  readonly info: Readonly<VocabularyInfo>;
  /** The metadata of the model's file. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Splits a text into token ids. Texts of special tokens become special tokens only with `special`. */
  tokenize(text: string, options?: { special?: boolean }): Int32Array;
  /**
   * Returns the text of token ids. It leaves special tokens out, unless `special` is set. Some tokenizers
   * add a space at the beginning of a document, and this call removes it. Set `continues` for tokens
   * that follow others: then no space is removed.
   */
  detokenize(tokens: Int32Array, options?: { special?: boolean; continues?: boolean }): string;
  /** UTF-8 bytes of `detokenize` with `continues`. The first and last character may be incomplete. */
  textBytes(tokens: Int32Array, options?: { special?: boolean }): Buffer;
  /** All special tokens, in the order of their ids. */
  specialTokens(): readonly SpecialToken[];
  /** The vocabulary's entry for a token. */
  tokenText(token: number): string;
  /** Whether a token ends the text (EOS, EOT and similar ones). */
  isEndToken(token: number): boolean;
  /** The lowest token id at which two vocabularies differ, or null. It ignores padding at the end. */
  firstDifference(other: Vocabulary): number | null;
}
