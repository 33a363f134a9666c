/**
 * The interface that every engine implements: a loaded model, the contexts that runs lease from it,
 * and the memory that they take. An engine declares in `can` what it is able to do; callers refuse,
 * by name, the features that need more. Every engine rejects its promises with a `LlamaEtsError`.
 */

import type { EncodedPrompt, Prompt, PromptOptions, TokenIds } from "./chat/conversation.js";
import type { Denoiser, DenoiserOptions } from "./denoiser.js";
import type { KvType } from "./kv-types.js";
import type { SamplingOptions } from "./sampling.js";
import type { Scores, Sequences } from "./sequences.js";
import type { Vocabulary, VocabularyInfo } from "./vocabulary.js";

/** Properties of a loaded model. */
export interface ModelInfo extends VocabularyInfo {
  description: string;
  parameters: number;
  sizeBytes: number;
  contextLength: number;
  /** Attention heads, and those with their own keys and values (GQA); absent if they are unknown. */
  heads?: number;
  kvHeads?: number;
  isDiffusion: boolean;
  /** Class names of the classification head; empty if the model has no such head. */
  labels: string[];
}

/** What an engine can do with a model. */
export interface Abilities {
  /** It computes the log-probabilities of given continuations. */
  score: boolean;
  /** Its sequences can be forked, and forks share their common prefix. */
  fork: boolean;
  /** It returns the most probable next tokens of a text. */
  rank: boolean;
  /** It computes `entropies` and `selfCertainties` of drawn tokens. */
  metrics: boolean;
  /** Its sequences can be truncated to any length: their `rewind` is "any". */
  cut: boolean;
}

/** The processor whose memory holds the contexts, and which computes. */
export type Place = "cpu" | "gpu";

/** A device that the engine can compute on. */
export interface Device {
  name: string;
  description: string;
  type: "cpu" | "gpu" | "integrated-gpu" | "accelerator";
  freeBytes: number;
  totalBytes: number;
}

/** Facts about an engine and about how it runs a model. */
export interface ModelDescription {
  engine: {
    /** The implementation of `Model`. */
    kind: string;
    /** llama.cpp's release, e.g. "v0.5.0". */
    release: string;
    /** The directory of its libraries. */
    directory: string;
    /** The kind of GPU that the engine was built for; false if it was built without one. */
    gpu: string | false;
  };
  devices: Device[];
  /** The processor whose memory holds the keys and values. */
  place: Place;
  /** Whether it uses this package's own attention, which reads the prefix that texts share only once. */
  sharesAttention: boolean;
  weights: { bytes: number; isMapped: boolean };
  /**
   * Whether a test on this engine and device has shown that forked texts give the same results as each
   * text alone. The test runs at load on a GPU, and in `llama-ets doctor -m FILE`. The result of a
   * passed test is stored on disk.
   */
  forksProven: boolean;
  /** LoRA adapters that are added to the weights; absent if there are none. */
  adapters?: readonly { path: string; scale: number }[];
  /** Type of cached keys and values; absent if it is f16. */
  kvType?: KvType;
  /** A text that identifies the model if there is no file to hash. */
  fingerprint?: string;
}

/** Upper limits of an engine, and sizes beyond which more gains little. */
export interface Limits {
  /** Texts that a context holds at once. */
  sequences: number;
  /** Tokens of one decode; more gains less than 5% and takes memory. */
  batchTokens: number;
  /** The most rows of logits that scoring asks of one decode. */
  outputs: number;
  /** Continuations that run side by side. */
  parallel: number;
  /** A context's cells are a multiple of this. */
  cellUnit: number;
  /** Texts that a denoiser processes side by side. */
  denoisedTexts: number;
}

/** The size of a context. */
export interface Capacity {
  /** KV cache cells: each token takes one, and forks share those of their common prefix. */
  cells: number;
  /** Texts that the context holds at once, from 1 to 256. */
  sequences: number;
  /** Tokens of one decode; it sets both the batch and the microbatch of llama.cpp. */
  batchTokens: number;
  /** Rows of logits of one decode. */
  outputs: number;
}

/**
 * Which attention a context uses:
 *
 * - "auto": this package's own attention if it supports the model, otherwise the engine's choice
 * - "shared": this package's own, otherwise no flash attention. Runs that compare log-probabilities
 *   of decoding with those of scoring need this
 * - "own": this package's own, otherwise an error
 * - "engine": the engine's choice
 * - `true` or `false`: the engine's flash attention or its plain attention. The plain one multiplies
 *   the queries of all texts with the keys of all texts
 */
export type FlashAttention = boolean | "auto" | "engine" | "shared" | "own";

/** What a run needs of a context. Omitted sizes have the engine's defaults. */
export interface ContextNeeds
  extends Pick<Capacity, "cells" | "sequences">,
    Partial<Omit<Capacity, "cells" | "sequences">> {
  /** Default "auto". */
  flashAttention?: FlashAttention;
  /** Whether `flashAttention` is only a wish for speed, so that any attention will do. Default false. */
  anyAttention?: boolean;
  /** The memory that the plan foresees, in bytes. The model drops kept prompts to make room for it. */
  memory?: Pick<ContextMemory, "kvCache" | "compute" | "logits">;
}

/** The sizes of one batch, which determine the size of its activations. */
export interface BatchShape {
  tokens: number;
  /** Cells that the batch attends to. */
  cells: number;
  /** Tokens whose logits are computed. */
  outputs: number;
}

/** A context's size and its foreseen use, as far as its memory depends on them. */
export interface ContextShape extends Capacity {
  flashAttention: boolean;
  /** Rows of logits that stay in memory, one for each kept text and between decodes. */
  logitRows: number;
  /** The largest foreseen batches. They determine the memory of an engine that reserves none beforehand. */
  batches: readonly BatchShape[];
}

/** Peak memory in bytes. */
export interface ContextMemory {
  /** The file's tensors; twice their size if a diffusion model's keys and values are cached. */
  weights: number;
  /** The second copy among `weights` if the next cached run must first load it, otherwise 0. */
  copy: number;
  /** The vocabulary's tables, which are built at load. */
  vocabulary: number;
  /** Keys and values of all cells, and recurrent states of all sequences; all allocated at the start. */
  kvCache: number;
  /** Rows of logits: the engine's output buffer, and one row for each kept text. */
  logits: number;
  /** Activations: on a CPU those of the largest foreseen batches, on a GPU the reserved buffer. */
  compute: number;
  total: number;
}

/** The size and the memory of a denoiser. */
export interface DenoiserSize extends Capacity {
  kvType: KvType;
  memory: ContextMemory;
}

/** Free memory of the processor that holds a model's contexts. */
export interface FreeMemory {
  place: Place;
  /** Whether contexts on a CPU may use this package's own attention. */
  sharesAttention: boolean;
  /** Whether they must use it. Default false. */
  mustShareAttention?: boolean;
  /** Type of cached keys and values. Default f16. */
  kvType?: KvType;
  bytes: number;
  /** Bytes of contexts that are kept for the next run, including the free parts of shared contexts. */
  idleBytes: number;
  /** The part of `idleBytes` that belongs to shared contexts. Default 0. */
  sharedIdleBytes?: number;
  /** Bytes of memory-mapped weights: the system counts them as free, but every decode reads them. */
  mappedBytes: number;
}

/** Reads texts after a prefix and computes the class probabilities of each. */
export interface Classifier extends AsyncDisposable {
  readonly size: Readonly<Capacity>;
  /**
   * Returns one array for each text: the probability of each of the model's labels, given the prefix
   * and the text. The prefix is decoded once and kept for the next call. Calls must not overlap.
   *
   * @param texts token ids; each text has at least one
   */
  classify(prefix: Int32Array, texts: readonly Int32Array[]): Promise<Float64Array[]>;
}

/** A loaded model. `dispose` waits for the work in flight, and a second call does no harm. */
export interface Model extends Vocabulary, AsyncDisposable {
  /** The path or address that the model was loaded from. */
  readonly path: string;
  /** "autoregressive" extends texts token by token; "diffusion" fills masks in texts of fixed length. */
  readonly kind: "autoregressive" | "diffusion";
  readonly info: Readonly<ModelInfo>;
  /** CPU threads that decode. */
  readonly threads: number;
  readonly can: Readonly<Abilities>;
  readonly limits: Readonly<Limits>;
  describe(): ModelDescription;
  /** Converts a prompt to the tokens that the model reads: it applies the chat template. */
  encodePrompt(prompt: Prompt, options?: PromptOptions): Promise<EncodedPrompt>;
  /**
   * Returns the size of the vocabulary that this model shares with another of the same tokenizer.
   * Throws `ERR_TOKENIZER_MISMATCH`, which names the first difference.
   */
  matchTokenizer(proposal: Model): number;
  /**
   * Computes exact log-probabilities of continuations of a prompt by teacher forcing. It prefills the
   * prompt once and packs the continuations into as few decodes as possible.
   *
   * @param continuations token ids; each continuation has at least one
   * @param sampling the distribution to score under; it has the same defaults as in `sample`
   * @returns for each continuation, one log-probability per token (nats, fp64): `logProbs` under
   *   `sampling` (-Infinity outside its support) and `rawLogProbs` under the model's softmax. A
   *   `constraint` adds `logMasses`: `logProbs - logMasses` is the log-probability under the
   *   constrained distribution, and a log-mass of -Infinity means that the token isn't allowed. A
   *   continuation may be incomplete: it needs no end token
   */
  score(
    prompt: Prompt,
    continuations: readonly TokenIds[],
    sampling?: SamplingOptions,
    promptOptions?: PromptOptions,
  ): Promise<Scores[]>;

  /** Throws `ERR_UNSUPPORTED_MODEL` if the model can't extend texts, or `ERR_DISPOSED`. */
  checkExtends(): void;
  /** The memory that a context would take; `place` defaults to that of this model's contexts. */
  memoryOf(shape: ContextShape, place?: Place): ContextMemory;
  /** Like `memoryOf`, for a denoiser. */
  memoryOfDenoiser(options: DenoiserOptions, place?: Place): DenoiserSize;
  freeMemory(): FreeMemory;

  /**
   * Leases a context to one run, until `release`. The run gets a share of a shared context, or a
   * context of its own. The model keeps the last released context of the second kind, and leases it
   * again if it is large enough.
   */
  lease(needs: ContextNeeds): Promise<Sequences>;
  /** Takes back a leased context and frees its sequences. */
  release(sequences: Sequences): Promise<void>;
  /**
   * Creates a context that runs share, so that one decode serves several runs. Until its disposal,
   * `lease` returns a share of it if the run fits and its `flashAttention` suits the run. Throws
   * `ERR_OUT_OF_MEMORY` if the engine can't allocate it.
   */
  share(needs: ContextNeeds): Promise<AsyncDisposable>;
  /**
   * Creates a context for denoising. The caller disposes of it; otherwise the model's disposal does.
   * Throws `ERR_UNSUPPORTED_MODEL` if the model is autoregressive, or if `cache` asks for keys and
   * values that its architecture can't cache; `ERR_CONTEXT_FULL` if the texts are too long for the
   * model; and `ERR_OUT_OF_MEMORY` if the engine can't allocate the context.
   */
  openDenoiser(options: DenoiserOptions): Promise<Denoiser>;
  /**
   * Creates a context for classification. The caller disposes of it; otherwise the model's disposal
   * does. Throws `ERR_UNSUPPORTED_MODEL` if the model has no classification head, and
   * `ERR_OUT_OF_MEMORY` if the engine can't allocate the context.
   */
  openClassifier(size: Capacity): Promise<Classifier>;
  dispose(): Promise<void>;
}
