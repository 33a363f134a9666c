/** Classifies texts that share a prefix. The prefix is decoded once. */
import type { Capacity, Classifier } from "../engine.js";
import { Context } from "./context.js";
import type { LocalSequence } from "./local-sequence.js";
import type { NativeModel } from "./native-model.js";

export class LocalClassifier implements Classifier {
  readonly size: Readonly<Capacity>;
  readonly #context: Context;
  #prefix: { tokens: Int32Array; sequence: LocalSequence } | undefined;

  private constructor(context: Context, size: Capacity) {
    this.#context = context;
    this.size = size;
  }

  static async open(model: NativeModel, size: Capacity, threads: number): Promise<LocalClassifier> {
    const { cells, sequences, batchTokens, outputs } = size;
    const context = await Context.open(model, {
      cells,
      sequences,
      batchTokens,
      outputs,
      threads,
      flashAttention: false,
      classifies: true,
    });
    return new LocalClassifier(context, size);
  }

  async classify(prefix: Int32Array, texts: readonly Int32Array[]): Promise<Float64Array[]> {
    const parent = await this.#sequenceOf(prefix);
    return this.#context.classify(texts.map((tokens) => ({ parent, tokens })));
  }

  async #sequenceOf(tokens: Int32Array): Promise<LocalSequence> {
    const known = this.#prefix;
    const isSame =
      known?.tokens.length === tokens.length && known.tokens.every((t, i) => t === tokens[i]);
    if (known && isSame) return known.sequence;
    this.#prefix = undefined;
    await known?.sequence[Symbol.asyncDispose]();
    const sequence = await this.#context.create();
    const { batchTokens } = this.#context;
    for (let from = 0; from < tokens.length; from += batchTokens) {
      await sequence.prefill(tokens.subarray(from, from + batchTokens));
    }
    this.#prefix = { tokens, sequence };
    return sequence;
  }

  get disposed(): boolean {
    return this.#context.disposed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#context[Symbol.asyncDispose]();
  }
}
