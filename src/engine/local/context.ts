/**
 * A context of llama.cpp: KV cells and an engine thread, which its sequences share. Partitions of one
 * context share its decodes. A context owns its sequences: its disposal frees them. A sequence that was
 * not disposed is freed when it is garbage collected.
 */
import type { FlashAttention } from "../engine.js";
import type { KvType } from "../kv-types.js";
import type { Sampling } from "../sampling.js";
import type {
  Continuation,
  Expansion,
  Followed,
  GenerateRequest,
  KeptPrompts,
  ScoreRequest,
  Scores,
  Sequence,
  Sequences,
  TokenMetric,
} from "../sequences.js";
import type { ModelPrompts } from "./kept-prompts.js";
import { handleOf, LocalSequence } from "./local-sequence.js";
import { addon, call, rethrow } from "./native.js";
import type { ContextStatus, NativeContext, SequenceHandle } from "./native-context.js";
import { type NativeModel, toNativeSampling } from "./native-model.js";
import { canCut } from "./recurrent-state.js";

const FLASH_ATTENTION = { auto: -1, false: 0, true: 1, engine: 2, shared: 3, own: 4 } as const;

/** The size and the features of a context. */
export interface ContextOptions {
  /** KV cells, which all sequences share. A cell holds one token, and forks share their prefix's cells. */
  cells: number;
  /** Sequences that can exist at once, from 1 to 256. */
  sequences: number;
  /** Tokens of one decode, at least `outputs`. Default 512. */
  batchTokens?: number;
  /** Rows of logits of one decode, at least `sequences`. Default 64, or `sequences`. */
  outputs?: number;
  threads: number;
  /**
   * Which attention the context uses. "auto" (default): on a CPU with AVX2 this package's own, which
   * reads the prefix that texts share only once, and elsewhere llama.cpp's choice. "engine": always
   * llama.cpp's. `false`: plain attention, which multiplies the queries of all texts with the keys of all
   * texts. If this package's own attention isn't available for the model, "shared" is like `false`, and
   * "own" throws `ERR_UNSUPPORTED_MODEL`. Runs that compare log-probabilities of decoding with those of
   * scoring use "shared".
   */
  flashAttention?: FlashAttention;
  /** Whether texts are classified, not continued. It needs a classification head. Default false. */
  classifies?: boolean;
  /** Type of cached keys and values; quantized types need flash attention. Default f16. */
  kvType?: KvType;
  /** The cache of the model's prompts for later contexts. Default: no prompts are kept. */
  prompts?: ModelPrompts;
  /** See `LoadModelOptions`. Default "host". */
  sampling?: SamplingPlace;
}

/** Where tokens are drawn: see `loadModel`. */
export type SamplingPlace = "host" | "device";

type PartitionSize = Pick<ContextOptions, "cells" | "sequences" | "outputs">;

const DEFAULT_BATCH_TOKENS = 512;
const DEFAULT_OUTPUTS = 64;

function batchTokensOf({ batchTokens = DEFAULT_BATCH_TOKENS }: ContextOptions): number {
  return batchTokens;
}

function outputsOf({ outputs, sequences }: ContextOptions): number {
  return outputs ?? Math.max(DEFAULT_OUTPUTS, sequences);
}

export interface LocalGenerateRequest extends GenerateRequest {}

export type LocalContinuation = Omit<Continuation, "sequence"> & {
  sequence: LocalSequence | null;
};

export type LocalExpansion = Omit<Expansion, "sequence"> & { sequence: LocalSequence };

export class Context implements Sequences {
  readonly #native: NativeContext;
  readonly options: Readonly<ContextOptions>;
  readonly rewind: "any" | "tip";
  readonly #dropped: FinalizationRegistry<SequenceHandle>;
  #closing: Promise<void> | undefined;

  private constructor(native: NativeContext, options: ContextOptions, rewind: "any" | "tip") {
    this.#native = native;
    this.options = options;
    this.rewind = rewind;
    this.#dropped = new FinalizationRegistry((handle) => {
      if (this.#closing === undefined) native.free(handle).catch(() => {}); // `clear` has freed it
    });
  }

  /** Opens a context. Throws `ERR_OUT_OF_MEMORY` if the engine can't allocate it. */
  static async open(model: NativeModel, options: ContextOptions): Promise<Context> {
    const { cells, sequences, threads, flashAttention = "auto", classifies = false } = options;
    const { sampling = "host" } = options;
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
        flashAttention: FLASH_ATTENTION[`${flashAttention}`],
        classifies,
        ...(options.kvType !== undefined && { kvType: options.kvType }),
        samplesOnDevice: sampling === "device",
      });
    } catch (error) {
      rethrow(error, { ERR_OUT_OF_MEMORY: "fewer rollouts or tokens, or a smaller model" });
    }
    return new Context(native, options, canCut(model.info()) ? "any" : "tip");
  }

  /**
   * Opens a partition of this context. It borrows cells and sequences, which no other partition can use
   * until its disposal. Its calls share decodes with calls of other partitions, and don't wait for them.
   * Throws `ERR_CONTEXT_FULL` if too few cells or sequences are free.
   */
  async partition({ cells, sequences, outputs }: PartitionSize): Promise<Context> {
    const native = new (addon().Context)();
    const options = { ...this.options, cells, sequences, ...(outputs && { outputs }) };
    const maxOutputs = Math.min(outputsOf(options), this.outputs);
    await call(() =>
      native.openPartition(this.#native, { cells, maxSequences: sequences, maxOutputs }),
    );
    return new Context(native, { ...options, outputs: maxOutputs }, this.rewind);
  }

  get batchTokens(): number {
    return batchTokensOf(this.options);
  }

  get outputs(): number {
    return outputsOf(this.options);
  }

  async create(): Promise<LocalSequence> {
    return this.#own(await call(() => this.#native.create()));
  }

  get prompts(): KeptPrompts {
    const { prompts, cells, flashAttention = "auto" } = this.options;
    const reader = { context: this.#native, way: `${flashAttention}`, cells };
    return {
      recall: async (prompt) => {
        const kept = await call(() => prompts?.recall(reader, prompt));
        return kept ? { sequence: this.#own(kept.handle), length: kept.length } : null;
      },
      keep: (sequence, prompt) => call(() => prompts?.keep(reader, prompt, handleOf(sequence))),
    };
  }

  async prefill(requests: readonly { sequence: Sequence; tokens: Int32Array }[]): Promise<void> {
    return call(() =>
      this.#native.prefill(
        requests.map(({ sequence, tokens }) => ({ sequence: handleOf(sequence), tokens })),
      ),
    );
  }

  /** See `native/decode/generation.h`. */
  async generate(request: LocalGenerateRequest): Promise<LocalContinuation[]> {
    const { sampling, power = 1, ...others } = request;
    const continuations = await call(() =>
      this.#native.generate({
        ...others,
        draws: request.draws.map(({ keepEnded = false, ...draw }) => ({
          ...draw,
          keepEnded,
          parent: handleOf(draw.parent),
          stream: [...draw.stream],
        })),
        sampling: { ...toNativeSampling(sampling), power },
        key: [...request.key],
        stopStrings: [...request.stopStrings],
      }),
    );
    return continuations.map((c) => ({
      ...c,
      sequence: c.sequence === 0 ? null : this.#own(c.sequence),
    }));
  }

  /** See `native/decode/scoring.h`. */
  async score(
    requests: readonly ScoreRequest[],
    sampling: Sampling,
    metrics: readonly TokenMetric[] = [],
  ): Promise<Scores[]> {
    const unkept = requests.map((request) => ({ ...request, keep: false }));
    const followed = await this.follow(unkept, sampling, metrics);
    return followed.map(({ sequence: _, ...scores }) => scores);
  }

  /** See `native/decode/scoring.h`. */
  async follow(
    requests: readonly (ScoreRequest & { keep: boolean })[],
    sampling: Sampling,
    metrics: readonly TokenMetric[] = [],
  ): Promise<Followed[]> {
    const scores = await call(() =>
      this.#native.score(
        requests.map(({ keep, text, ...reading }) => ({
          ...toNativeReading(reading),
          keep,
          ...(text && { text }),
        })),
        toNativeSampling(sampling),
        metrics,
      ),
    );
    return scores.map(({ sequence, ...scored }) => ({
      ...scored,
      sequence: sequence === 0 ? null : this.#own(sequence),
    }));
  }

  /** See `native/decode/expansion.h`. */
  async expand(
    requests: readonly { parent: Sequence; token: number | null; text?: Int32Array }[],
    count: number,
    sampling: Sampling,
  ): Promise<LocalExpansion[]> {
    const expansions = await call(() =>
      this.#native.expand(
        requests.map(({ parent, ...added }) => ({ parent: handleOf(parent), ...added })),
        count,
        toNativeSampling(sampling),
      ),
    );
    return expansions.map((e) => ({ ...e, sequence: this.#own(e.sequence) }));
  }

  /** Classifies continuations of cached sequences; see `native/decode/classification.h`. */
  classify(requests: readonly { parent: Sequence; tokens: Int32Array }[]): Promise<Float64Array[]> {
    return call(() => this.#native.classify(requests.map(toNativeReading)));
  }

  /** Times up to `count` decodes of one token, until their sum reaches `limitMs`. Returns milliseconds. */
  timeDecodes(threads: number, count: number, limitMs: number): Promise<Float64Array> {
    return call(() => this.#native.timeDecodes(threads, count, limitMs));
  }

  status(): Promise<ContextStatus> {
    return call(() => this.#native.status());
  }

  get progress(): number {
    return this.#native.progress();
  }

  drawn(from: number): Int32Array {
    return this.#native.drawn(from);
  }

  abort(): void {
    this.#native.abort();
  }

  /** Frees all sequences. */
  clear(): Promise<void> {
    return call(() => this.#native.clear());
  }

  get disposed(): boolean {
    return this.#closing !== undefined;
  }

  /** Waits for work in flight. A second call does no harm. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#native.close();
    return this.#closing;
  }

  #own(handle: SequenceHandle): LocalSequence {
    const sequence = new LocalSequence(this.#native, handle, this.#dropped);
    this.#dropped.register(sequence, handle, sequence);
    return sequence;
  }
}

function toNativeReading({ parent, tokens }: { parent: Sequence; tokens: Int32Array }) {
  return { parent: handleOf(parent), tokens };
}
