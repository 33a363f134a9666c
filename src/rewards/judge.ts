/** Judges texts with a classifier, whose context is replaced by a larger one when texts need it. */
import type { Classifier, Model } from "../engine/engine.js";
import { planClassification } from "../planning/classification.js";

export class Judge implements AsyncDisposable {
  readonly #model: Model;
  #classifier: Classifier | undefined;
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
    const answer = this.#last.then(async () => {
      const classifier = await this.#classifierFor(prefix, texts);
      return classifier.classify(prefix, texts);
    });
    this.#last = answer.catch(() => {});
    return answer;
  }

  /** The current classifier, or a new one if it is too small. */
  async #classifierFor(prefix: Int32Array, texts: readonly Int32Array[]): Promise<Classifier> {
    const lengths = texts.map(({ length }) => length);
    const size = planClassification(this.#model, prefix.length, lengths);
    if (this.#classifier && this.#classifier.size.cells >= size.cells) return this.#classifier;
    await this.#close();
    this.#classifier = await this.#model.openClassifier(size);
    return this.#classifier;
  }

  async #close(): Promise<void> {
    const classifier = this.#classifier;
    this.#classifier = undefined;
    await classifier?.[Symbol.asyncDispose]();
  }

  /** Waits for running calls. Does not dispose the model. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last;
    await this.#close();
  }
}
