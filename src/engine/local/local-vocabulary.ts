/** The vocabulary of a model that llama.cpp has loaded. It is usable until the model's disposal. */
import { checkObject } from "../check.js";
import { documentText } from "../document-text.js";
import { LlamaEtsError } from "../errors.js";
import { compareTokens } from "../tokenizer-match.js";
import type { SpecialToken, Vocabulary } from "../vocabulary.js";
import { readInfo, type Variant } from "./model-info.js";
import { callNow } from "./native.js";
import type { NativeModel, NativeModelInfo } from "./native-model.js";

export abstract class LocalVocabulary implements Vocabulary {
  readonly info: Readonly<NativeModelInfo>;
  readonly metadata: Readonly<Record<string, string>>;
  readonly #native: NativeModel;
  #specialTokens: readonly SpecialToken[] | undefined;
  #isDisposed = false;

  constructor(native: NativeModel, variant: Variant) {
    this.#native = native;
    this.metadata = native.metadata();
    this.info = readInfo(native, this.metadata, variant);
  }

  tokenize(text: string, options: { special?: boolean } = {}): Int32Array {
    const { special = false } = checkObject("options", options);
    return callNow(() => this.alive().tokenize(text, false, special));
  }

  detokenize(tokens: Int32Array, options: { special?: boolean; continues?: boolean } = {}): string {
    const { special = false, continues = false } = checkObject("options", options);
    return continues
      ? this.textBytes(tokens, { special }).toString("utf8")
      : documentText(this, tokens, special);
  }

  textBytes(tokens: Int32Array, options: { special?: boolean } = {}): Buffer {
    const { special = false } = checkObject("options", options);
    return callNow(() => this.alive().detokenize(tokens, special));
  }

  specialTokens(): readonly SpecialToken[] {
    const native = this.alive();
    this.#specialTokens ??= callNow(() => native.specialTokens());
    return this.#specialTokens;
  }

  tokenText(token: number): string {
    return callNow(() => this.alive().tokenText(token));
  }

  isEndToken(token: number): boolean {
    return callNow(() => this.alive().isEndToken(token));
  }

  firstDifference(other: Vocabulary): number | null {
    if (!(other instanceof LocalVocabulary)) return compareTokens(this, other);
    return callNow(() => this.alive().firstTokenDifference(other.alive()));
  }

  /** The addon's model. Throws `ERR_DISPOSED` after the model's disposal. */
  protected alive(): NativeModel {
    if (this.#isDisposed) throw new LlamaEtsError("ERR_DISPOSED", "The model was disposed");
    return this.#native;
  }

  /** Makes every later call fail. Returns the addon's model: the caller closes it after all work. */
  protected retire(): NativeModel {
    this.#isDisposed = true;
    return this.#native;
  }
}
