/**
 * A context: KV cells and an engine thread, shared by forkable sequences. Lanes of one context share
 * its decodes. Owners are disposable, and what they own can't outlive them: closing a context frees
 * its sequences, and a sequence that is dropped without being disposed is freed when it is collected.
 */
import { LlamaEtsError } from "../errors.js";
import { type Sampling, toNativeSampling } from "../sampling.js";
import { addon, call, rethrow } from "./native.js";
import type {
  ContextStatus,
  NativeContext,
  NativeContinuation,
  NativeExpansion,
  NativeGenerateRequest,
  NativeScores,
  SequenceHandle,
  TokenMetric,
} from "./native-context.js";
import type { NativeModel } from "./native-model.js";

export type FlashAttention = boolean | "auto" | "engine" | "shared" | "own";

const FLASH_ATTENTION = { auto: -1, false: 0, true: 1, engine: 2, shared: 3, own: 4 } as const;

export interface ContextOptions {
  /** KV cells, shared by all sequences; a cell holds one token, and forks share theirs. */
  cells: number;
  /** Sequences alive at once, from 1 to 256. */
  sequences: number;
  /** Tokens of one decode, at least `outputs`. Default 512. */
  batchTokens?: number;
  /** Rows of logits of one decode, at least `sequences`. Default 64, or `sequences`. */
  outputs?: number;
  threads: number;
  /**
   * On a CPU with AVX2 attention of our own, which reads what texts have in common once for all of
   * them, elsewhere llama.cpp's; "engine" is llama.cpp's everywhere. `false` multiplies all texts
   * with all; so does "shared" where there is none of our own, or not for the model: for
   * log-probabilities of decoding and scoring that are compared; "own" is refused there
   * (`ERR_UNSUPPORTED_MODEL`). Default "auto".
   */
  flashAttention?: FlashAttention;
  /** Texts are classified, not continued; for models with a classification head. Default false. */
  classifies?: boolean;
}

type LaneSize = Pick<ContextOptions, "cells" | "sequences" | "outputs">;

const DEFAULT_BATCH_TOKENS = 512;
const DEFAULT_OUTPUTS = 64;

function batchTokensOf({ batchTokens = DEFAULT_BATCH_TOKENS }: ContextOptions): number {
  return batchTokens;
}

function outputsOf({ outputs, sequences }: ContextOptions): number {
  return outputs ?? Math.max(DEFAULT_OUTPUTS, sequences);
}

type NativeDraw = NativeGenerateRequest["draws"][number];

export type GenerateRequest = Omit<NativeGenerateRequest, "sampling" | "reference" | "draws"> & {
  sampling: Sampling;
  /** Default: none. */
  reference?: Sampling;
  draws: (Omit<NativeDraw, "parent" | "keepEnded"> & {
    parent: Sequence;
    /** Default false. */
    keepEnded?: boolean;
  })[];
};

export type Continuation = Omit<NativeContinuation, "sequence"> & { sequence: Sequence | null };

export type Expansion = Omit<NativeExpansion, "sequence"> & { sequence: Sequence };

export class Context implements AsyncDisposable {
  readonly #native: NativeContext;
  readonly options: Readonly<ContextOptions>;
  readonly #dropped: FinalizationRegistry<SequenceHandle>;
  #closing: Promise<void> | undefined;

  private constructor(native: NativeContext, options: ContextOptions) {
    this.#native = native;
    this.options = options;
    this.#dropped = new FinalizationRegistry((handle) => {
      if (this.#closing === undefined) native.free(handle).catch(() => {}); // freed by a clear()
    });
  }

  /** Throws `ERR_OUT_OF_MEMORY` when the engine can't allocate it. */
  static async open(model: NativeModel, options: ContextOptions): Promise<Context> {
    const { cells, sequences, threads, flashAttention = "auto", classifies = false } = options;
    const maxOutputs = outputsOf(options);
    const native = new (addon().Context)();
    try {
      await native.open(model, {
        // llama.cpp clamps its batch to the cells, and the outputs must fit the batch.
        cells: Math.max(cells, maxOutputs),
        maxSequences: sequences,
        batchSize: batchTokensOf(options),
        maxOutputs,
        threads,
        batchThreads: threads,
        flashAttention: FLASH_ATTENTION[`${flashAttention}`],
        classifies,
      });
    } catch (error) {
      rethrow(error, { ERR_OUT_OF_MEMORY: "fewer rollouts or tokens, or a smaller model" });
    }
    return new Context(native, options);
  }

  /**
   * A part of this context, which lends it cells and sequences until it is disposed: other lanes
   * have no use of them. Its calls wait for no other lane's `generate`, with which its own shares
   * decodes. Throws `ERR_CONTEXT_FULL` when too little is free.
   */
  async lane({ cells, sequences, outputs }: LaneSize): Promise<Context> {
    const native = new (addon().Context)();
    const options = { ...this.options, cells, sequences, ...(outputs && { outputs }) };
    const maxOutputs = Math.min(outputsOf(options), this.outputs);
    await call(() => native.openLane(this.#native, { cells, maxSequences: sequences, maxOutputs }));
    return new Context(native, { ...options, outputs: maxOutputs });
  }

  /** Tokens of one decode. */
  get batchTokens(): number {
    return batchTokensOf(this.options);
  }

  /** Rows of logits of one decode. */
  get outputs(): number {
    return outputsOf(this.options);
  }

  /** An empty sequence. */
  async create(): Promise<Sequence> {
    return this.#own(await call(() => this.#native.create()));
  }

  /** Appends tokens to several sequences at once, packed into as few decodes as fit. */
  async prefill(requests: readonly { sequence: Sequence; tokens: Int32Array }[]): Promise<void> {
    const native = requests.map(({ sequence, tokens }) => ({ sequence: sequence.handle, tokens }));
    return call(() => this.#native.prefill(native));
  }

  /** Draws continuations; see `native/decode/generation.h`. */
  async generate({ reference, ...request }: GenerateRequest): Promise<Continuation[]> {
    const continuations = await call(() =>
      this.#native.generate({
        ...request,
        draws: request.draws.map((draw) => ({
          ...{ keepEnded: false, ...draw },
          parent: draw.parent.handle,
        })),
        sampling: toNativeSampling(request.sampling),
        reference: reference === undefined ? null : toNativeSampling(reference),
      }),
    );
    return continuations.map((c) => ({
      ...c,
      sequence: c.sequence === 0 ? null : this.#own(c.sequence),
    }));
  }

  /** Scores given continuations of cached sequences; see `native/decode/scoring.h`. */
  score(
    requests: readonly { parent: Sequence; tokens: Int32Array }[],
    sampling: Sampling,
    metrics: readonly TokenMetric[] = [],
  ): Promise<NativeScores[]> {
    return call(() =>
      this.#native.score(
        requests.map(({ parent, tokens }) => ({ parent: parent.handle, tokens })),
        toNativeSampling(sampling),
        metrics,
      ),
    );
  }

  /** Appends a token to a fork of each parent and ranks what comes next; see `native/decode/expansion.h`. */
  async expand(
    requests: readonly { parent: Sequence; token: number | null }[],
    count: number,
    sampling: Sampling,
  ): Promise<Expansion[]> {
    const expansions = await call(() =>
      this.#native.expand(
        requests.map(({ parent, token }) => ({ parent: parent.handle, token })),
        count,
        toNativeSampling(sampling),
      ),
    );
    return expansions.map((e) => ({ ...e, sequence: this.#own(e.sequence) }));
  }

  /** Classifies continuations of cached sequences; see `native/decode/classification.h`. */
  classify(requests: readonly { parent: Sequence; tokens: Int32Array }[]): Promise<Float64Array[]> {
    return call(() =>
      this.#native.classify(
        requests.map(({ parent, tokens }) => ({ parent: parent.handle, tokens })),
      ),
    );
  }

  /** Milliseconds of each of up to `count` one-token decodes, until they add up to `limitMs`. */
  timeDecodes(threads: number, count: number, limitMs: number): Promise<Float64Array> {
    return call(() => this.#native.timeDecodes(threads, count, limitMs));
  }

  status(): Promise<ContextStatus> {
    return call(() => this.#native.status());
  }

  /** Tokens generated so far by the running `generate`. */
  get progress(): number {
    return this.#native.progress();
  }

  /** Makes what runs and waits reject with `ERR_ABORTED`. */
  abort(): void {
    this.#native.abort();
  }

  /** Frees all sequences. */
  clear(): Promise<void> {
    return call(() => this.#native.clear());
  }

  /** Waits for work in flight; safe to call twice. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#native.close();
    return this.#closing;
  }

  #own(handle: SequenceHandle): Sequence {
    const sequence = new Sequence(this.#native, handle, this.#dropped);
    this.#dropped.register(sequence, handle, sequence);
    return sequence;
  }
}

/** Cached tokens of one text, which can be forked at no cost. */
export class Sequence implements AsyncDisposable {
  readonly #native: NativeContext;
  readonly #handle: SequenceHandle;
  readonly #dropped: FinalizationRegistry<SequenceHandle>;
  #disposed = false;

  /** @internal Made by `Context` and `fork`. */
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

  /** Appends tokens and decodes them. */
  async prefill(tokens: Int32Array): Promise<void> {
    return call(() => this.#native.prefill([{ sequence: this.handle, tokens }]));
  }

  /** The logits of the token that comes next, one for each id of the vocabulary. */
  async logits(): Promise<Float32Array> {
    return call(() => this.#native.logits(this.handle));
  }

  /** A sequence that shares this one's cells. */
  async fork(): Promise<Sequence> {
    const handle = await call(() => this.#native.fork(this.handle));
    const sequence = new Sequence(this.#native, handle, this.#dropped);
    this.#dropped.register(sequence, handle, sequence);
    return sequence;
  }

  /** Keeps the first `length` tokens; prefill before generating from a shortened sequence. */
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
