/** Classifies texts that share a prefix, which is read once. */

import { LlamaEtsError } from "../engine/errors.js";
import type { Context, ContextOptions, Sequence } from "../engine/local/context.js";
import { bytesPerCell, bytesPerRow, computeBytes, padCells } from "../engine/local/memory.js";
import type { Model } from "../engine/local/model.js";
import { freeMemory } from "./capacity.js";

/** Texts read side by side. */
const PARALLEL = 16;
/** The engine computes a row of logits for each token that it reads: no more than these at once. */
const MAX_LOGITS = 2 ** 24;
const BATCH = { least: 64, most: 512 };
/** Share of the free memory that the context may take. */
const MEMORY_SHARE = 0.8;

type Size = Required<Pick<ContextOptions, "cells" | "sequences" | "batchTokens" | "outputs">>;

export class Classifier implements AsyncDisposable {
  readonly #model: Model;
  #context: Context | undefined;
  #prefix: { tokens: Int32Array; sequence: Sequence } | undefined;
  #last: Promise<unknown> = Promise.resolve();

  constructor(model: Model) {
    this.#model = model;
  }

  /**
   * The probability of each of the model's labels, for each text after the prefix. Calls run one
   * after another.
   *
   * @param texts token ids, each at least one
   * @throws LlamaEtsError `ERR_UNSUPPORTED_MODEL` for a model without a classification head,
   *   `ERR_CONTEXT_FULL`, `ERR_OUT_OF_MEMORY`, `ERR_DISPOSED`
   */
  classify(prefix: Int32Array, texts: readonly Int32Array[]): Promise<Float64Array[]> {
    const answer = this.#last.then(() => this.#classify(prefix, texts));
    this.#last = answer.catch(() => {});
    return answer;
  }

  async #classify(prefix: Int32Array, texts: readonly Int32Array[]): Promise<Float64Array[]> {
    const context = await this.#contextFor(prefix, texts);
    const parent = await this.#sequenceOf(context, prefix);
    return context.classify(texts.map((tokens) => ({ parent, tokens })));
  }

  async #sequenceOf(context: Context, tokens: Int32Array): Promise<Sequence> {
    const known = this.#prefix;
    const isSame =
      known?.tokens.length === tokens.length && known.tokens.every((t, i) => t === tokens[i]);
    if (known && isSame) return known.sequence;
    this.#prefix = undefined;
    await known?.sequence[Symbol.asyncDispose]();
    const sequence = await context.create();
    for (let from = 0; from < tokens.length; from += context.batchTokens) {
      await sequence.prefill(tokens.subarray(from, from + context.batchTokens));
    }
    this.#prefix = { tokens, sequence };
    return sequence;
  }

  /** The context in use, unless it is too small. */
  async #contextFor(prefix: Int32Array, texts: readonly Int32Array[]): Promise<Context> {
    const size = this.#sizeFor(
      prefix.length,
      texts.map(({ length }) => length),
    );
    if (this.#context && this.#context.options.cells >= size.cells) return this.#context;
    await this.#close();
    this.#context = await this.#model.openClassifying(size);
    return this.#context;
  }

  #sizeFor(prefix: number, lengths: readonly number[]): Size {
    const { info, path } = this.#model;
    const longest = Math.max(...lengths);
    if (prefix + longest > info.contextLength) {
      throw new LlamaEtsError(
        "ERR_CONTEXT_FULL",
        `A text to be judged has ${prefix + longest} tokens with its prompt; the context of ${path} holds ${info.contextLength}`,
      );
    }
    const fitting = Math.floor(MAX_LOGITS / info.vocabSize);
    const batchTokens = Math.min(Math.max(fitting, BATCH.least), BATCH.most);
    const cells = padCells(prefix + Math.max(longest, 2 * batchTokens));
    const size = { cells, sequences: PARALLEL + 1, batchTokens, outputs: batchTokens };
    this.#refuseTooLarge(size);
    return size;
  }

  #refuseTooLarge({ cells, batchTokens }: Size): void {
    const model = this.#model;
    const shape = { tokens: batchTokens, outputs: batchTokens, cells, flashAttention: false };
    const logits = batchTokens * bytesPerRow(model);
    const needed = cells * bytesPerCell(model) + computeBytes(model, shape) + logits;
    const free = MEMORY_SHARE * freeMemory().bytes;
    if (needed <= free) return;
    throw new LlamaEtsError(
      "ERR_OUT_OF_MEMORY",
      `Judging texts needs ${Math.round(needed / 2 ** 20)} MiB; ${Math.round(free / 2 ** 20)} MiB can be used`,
      { fix: "a smaller reward model, or shorter texts" },
    );
  }

  async #close(): Promise<void> {
    const context = this.#context;
    this.#context = this.#prefix = undefined;
    await context?.[Symbol.asyncDispose]();
  }

  /** Waits for calls in flight; the model is left open. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last;
    await this.#close();
  }
}
