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
  chatTemplate: string | null;
}

/** Every call throws `ERR_DISPOSED` once the model was disposed. */
export interface Vocabulary {
  readonly info: Readonly<VocabularyInfo>;
  /** What the model's file says of it. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Token ids of a text. What looks like a special token is one only with `special`. */
  tokenize(text: string, options?: { special?: boolean }): Int32Array;
  /** The text of token ids; control tokens have none, unless `special` writes them out. */
  detokenize(tokens: Int32Array, options?: { special?: boolean }): string;
  /** The vocabulary's entry for a token. */
  tokenText(token: number): string;
  /** Whether a token ends the text (EOS, EOT and their like). */
  isEndToken(token: number): boolean;
  /** The lowest token id at which two vocabularies differ, padding at the end aside. */
  firstDifference(other: Vocabulary): number | null;
}
