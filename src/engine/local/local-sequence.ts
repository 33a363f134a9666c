import { LlamaEtsError } from "../errors.js";
import type { Sequence } from "../sequences.js";
import { call } from "./native.js";
import type { NativeContext, SequenceHandle } from "./native-context.js";

/** The sequence's handle. Throws `ERR_DISPOSED`, or `ERR_INVALID_ARGUMENT` if another engine made it. */
export function handleOf(sequence: Sequence): SequenceHandle {
  if (sequence instanceof LocalSequence) return sequence.handle;
  throw new LlamaEtsError("ERR_INVALID_ARGUMENT", "Expected a sequence of this engine");
}

/** Cached tokens of one text. A fork copies no keys and values. */
export class LocalSequence implements Sequence {
  readonly #native: NativeContext;
  readonly #handle: SequenceHandle;
  readonly #dropped: FinalizationRegistry<SequenceHandle>;
  #disposed = false;

  /** @internal `Context` and `fork` create sequences. */
  constructor(
    native: NativeContext,
    handle: SequenceHandle,
    dropped: FinalizationRegistry<SequenceHandle>,
  ) {
    this.#native = native;
    this.#handle = handle;
    this.#dropped = dropped;
  }

  /** @internal */
  get handle(): SequenceHandle {
    if (this.#disposed) throw new LlamaEtsError("ERR_DISPOSED", "The sequence was disposed");
    return this.#handle;
  }

  async prefill(tokens: Int32Array): Promise<void> {
    return call(() => this.#native.prefill([{ sequence: this.handle, tokens }]));
  }

  /** The logits of the next token, one for each id of the vocabulary. */
  async logits(): Promise<Float32Array> {
    return call(() => this.#native.logits(this.handle));
  }

  async fork(): Promise<LocalSequence> {
    const handle = await call(() => this.#native.fork(this.handle));
    const sequence = new LocalSequence(this.#native, handle, this.#dropped);
    this.#dropped.register(sequence, handle, sequence);
    return sequence;
  }

  async truncate(length: number): Promise<void> {
    return call(() => this.#native.truncate(this.handle, length));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#dropped.unregister(this);
    await call(() => this.#native.free(this.#handle)).catch((error: unknown) => {
      // The context was cleared or closed, which freed the sequence.
      if (!(error instanceof Error && "code" in error && error.code === "ERR_DISPOSED"))
        throw error;
    });
  }
}
