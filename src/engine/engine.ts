/**
 * What every engine is to the rest of the house: a model that is loaded, the contexts leased from
 * it, and what those take. An engine that can't do something says so in `can`, and what needs it is
 * refused by name. A failed promise is a `LlamaEtsError`, whatever the engine.
 */

import type { EncodedPrompt, Prompt, PromptOptions, TokenIds } from "./chat/conversation.js";
import type { Denoiser, DenoiserOptions } from "./denoiser.js";
import type { KvType } from "./kv-types.js";
import type { SamplingOptions } from "./sampling.js";
import type { Scores, Sequences } from "./sequences.js";
import type { Vocabulary, VocabularyInfo } from "./vocabulary.js";

export interface ModelInfo extends VocabularyInfo {
  description: string;
  parameters: number;
  sizeBytes: number;
  contextLength: number;
  /** Heads of attention, and those that have keys and values of their own; absent where unknown. */
  heads?: number;
  kvHeads?: number;
  isDiffusion: boolean;
  /** Classes of a classification head; none without a head. */
  labels: string[];
}

/** What an engine can do with a model. */
export interface Abilities {
  /** Log-probabilities of given continuations. */
  score: boolean;
  /** Sequences that share what they have in common. */
  fork: boolean;
  /** The most probable next tokens of a text. */
  rank: boolean;
  /** `entropies` and `selfCertainties` of drawn tokens. */
  metrics: boolean;
  /** Sequences that can be cut back to any length: their `rewind` is "any". */
  cut: boolean;
}

/** Where contexts live, and compute. */
export type Place = "cpu" | "gpu";

export interface Device {
  name: string;
  description: string;
  type: "cpu" | "gpu" | "integrated-gpu" | "accelerator";
  freeBytes: number;
  totalBytes: number;
}

/** What is known of an engine and of how it runs a model. */
export interface ModelDescription {
  engine: {
    /** Which implementation of `Model` it is. */
    kind: string;
    /** llama.cpp's release, e.g. "v0.5.0". */
    release: string;
    /** Where its libraries are. */
    directory: string;
    /** The kind of GPU that it was built for; false: none. */
    gpu: string | false;
  };
  devices: Device[];
  /** Where keys and values live. */
  place: Place;
  /** Whether attention is our own, which reads what texts share once. */
  sharesAttention: boolean;
  weights: { bytes: number; isMapped: boolean };
  /**
   * Whether forks of this file's texts were compared with each text alone, on this engine and device:
   * at load on a GPU, and by `llama-ets doctor -m FILE`. What passed is remembered.
   */
  forksProven: boolean;
  /** LoRA adapters that are added to the weights. Absent: none. */
  adapters?: readonly { path: string; scale: number }[];
  /** Type of cached keys and values. Absent: f16. */
  kvType?: KvType;
  /** What stands for the file's hash where there is no file. */
  fingerprint?: string;
}

/** What an engine holds at most, and where more gains little. */
export interface Limits {
  /** Texts that a context holds at once. */
  sequences: number;
  /** Tokens of one decode; more gains less than 5% and takes memory. */
  batchTokens: number;
  /** Rows of logits of one decode that scoring fills. */
  outputs: number;
  /** Continuations that run side by side. */
  parallel: number;
  /** A context's cells are a multiple of this. */
  cellUnit: number;
  /** Texts that a denoiser takes side by side. */
  denoisedTexts: number;
}

/** The size of a context. */
export interface Capacity {
  /** KV cells, one a token; forks share those of their common prefix. */
  cells: number;
  /** Texts that the context holds at once, from 1 to 256. */
  sequences: number;
  /** Tokens of one decode; llama.cpp's batch and microbatch alike. */
  batchTokens: number;
  /** Rows of logits of one decode. */
  outputs: number;
}

/**
 * "auto": attention of our own where there is one, else the engine's choice. "shared": our own, or
 * none, for log-probabilities of decoding and scoring that are compared. "own": ours, or an error.
 * "engine": the engine's. `false` multiplies all texts with all.
 */
export type FlashAttention = boolean | "auto" | "engine" | "shared" | "own";

/** What a run needs of a context; what is left out has the engine's defaults. */
export interface ContextNeeds
  extends Pick<Capacity, "cells" | "sequences">,
    Partial<Omit<Capacity, "cells" | "sequences">> {
  /** Default "auto". */
  flashAttention?: FlashAttention;
  /** Whether that is a matter of speed alone. Default false. */
  anyAttention?: boolean;
  /** What it was planned to take: prompts that are kept make way for it. */
  memory?: Pick<ContextMemory, "kvCache" | "compute" | "logits">;
}

/** One batch, as it shapes what is computed. */
export interface BatchShape {
  tokens: number;
  /** Cells that the batch attends to. */
  cells: number;
  /** Tokens whose logits are computed. */
  outputs: number;
}

/** A context, and how it will be used, as far as its memory depends on it. */
export interface ContextShape extends Capacity {
  flashAttention: boolean;
  /** Rows of logits that are kept, for texts and between decodes. */
  logitRows: number;
  /** The largest batches foreseen: what is computed when memory is not reserved beforehand. */
  batches: readonly BatchShape[];
}

/** Bytes at the peak. */
export interface ContextMemory {
  /** The file's tensors; twice where keys and values are kept of a diffusion model's texts. */
  weights: number;
  /** The part of these that the first run that keeps any reads into memory; 0 when that is there. */
  copy: number;
  /** The vocabulary's tables, made at load. */
  vocabulary: number;
  /** Keys and values of all cells, and recurrent states of all sequences, allocated at once. */
  kvCache: number;
  /** Rows of logits: the engine's output buffer, and a row for each text that is kept. */
  logits: number;
  /** Activations: of the largest batches that the plan foresees on a CPU, reserved on a GPU. */
  compute: number;
  total: number;
}

/** What a denoiser takes. */
export interface DenoiserSize extends Capacity {
  kvType: KvType;
  memory: ContextMemory;
}

/** Free memory where a model's contexts live. */
export interface FreeMemory {
  place: Place;
  /** Whether a CPU's attention may be our own. */
  sharesAttention: boolean;
  /** Whether it must be. Default false. */
  mustShareAttention?: boolean;
  /** Type of cached keys and values. Default f16. */
  kvType?: KvType;
  bytes: number;
  /** Taken by contexts that are kept for the next run, the free parts of shared ones among them. */
  idleBytes: number;
  /** The bytes among `idleBytes` that shared contexts have. Default 0. */
  sharedIdleBytes?: number;
  /** Weights that the system counts as free, though they are read all the time. */
  mappedBytes: number;
}

/** Reads texts after a prefix, and says which class each is of. */
export interface Classifier extends AsyncDisposable {
  readonly size: Readonly<Capacity>;
  /**
   * The probability of each of the model's labels, for each text after the prefix, which is read
   * once and kept for the next call. Calls must not overlap.
   *
   * @param texts token ids, each at least one
   */
  classify(prefix: Int32Array, texts: readonly Int32Array[]): Promise<Float64Array[]>;
}

/** A loaded model. Disposing waits for the work in flight, and is safe to do twice. */
export interface Model extends Vocabulary, AsyncDisposable {
  /** What it was loaded from. */
  readonly path: string;
  /** Whether it extends texts token by token, or fills in the masks of texts of a fixed length. */
  readonly kind: "autoregressive" | "diffusion";
  readonly info: Readonly<ModelInfo>;
  /** Threads it decodes with on the CPU. */
  readonly threads: number;
  readonly can: Readonly<Abilities>;
  readonly limits: Readonly<Limits>;
  describe(): ModelDescription;
  /** The tokens the model reads for a prompt: chat template applied, special tokens in place. */
  encodePrompt(prompt: Prompt, options?: PromptOptions): Promise<EncodedPrompt>;
  /**
   * The size of the vocabulary shared with a model of the same tokenizer. Throws
   * `ERR_TOKENIZER_MISMATCH`, naming the first difference.
   */
  matchTokenizer(proposal: Model): number;
  /**
   * Exact log-probabilities of continuations of a prompt, teacher-forced and packed into as few
   * decodes as fit; the prompt is prefilled once.
   *
   * @param continuations token ids, each at least one token
   * @param sampling the distribution to score under; its defaults are those of `sample`
   * @returns for each continuation, one log-probability a token (nats, fp64): `logProbs` under
   *   `sampling` (-Infinity outside its support), `rawLogProbs` under the model's softmax; with a
   *   `constraint` also `logMasses`: `logProbs - logMasses` is under the masked law, and a mass of
   *   -Infinity says that the token isn't allowed. A text that was cut off is scored as a beginning.
   */
  score(
    prompt: Prompt,
    continuations: readonly TokenIds[],
    sampling?: SamplingOptions,
    promptOptions?: PromptOptions,
  ): Promise<Scores[]>;

  /** Refuses what can't extend texts. Throws `ERR_UNSUPPORTED_MODEL` or `ERR_DISPOSED`. */
  checkExtends(): void;
  /** What a context would take; by default, where this model's live. */
  memoryOf(shape: ContextShape, place?: Place): ContextMemory;
  /** As `memoryOf`, for a denoiser. */
  memoryOfDenoiser(options: DenoiserOptions, place?: Place): DenoiserSize;
  freeMemory(): FreeMemory;

  /**
   * A context for one run, which `release` takes back: a share of one that runs share, or one of its
   * own. The last of these released is kept and handed out again when it is large enough.
   */
  lease(needs: ContextNeeds): Promise<Sequences>;
  /** Takes back a leased context; its sequences are freed. */
  release(sequences: Sequences): Promise<void>;
  /**
   * Makes a context for runs side by side, whose decodes are shared: until it is disposed of, runs
   * lease shares of it where they fit and its `flashAttention` suits them. Throws
   * `ERR_OUT_OF_MEMORY` when the engine can't allocate it.
   */
  share(needs: ContextNeeds): Promise<AsyncDisposable>;
  /**
   * A context for denoising, which the caller disposes of; the model's own disposal does too.
   * Throws `ERR_UNSUPPORTED_MODEL` when the model is autoregressive, or its architecture keeps no
   * keys and values and `cache` asks for them; `ERR_CONTEXT_FULL` when the texts are too long for
   * the model, `ERR_OUT_OF_MEMORY` when the engine can't allocate it.
   */
  openDenoiser(options: DenoiserOptions): Promise<Denoiser>;
  /**
   * A context for classification, which the caller disposes of; the model's own disposal does too.
   * Throws `ERR_UNSUPPORTED_MODEL` without a classification head, and `ERR_OUT_OF_MEMORY`.
   */
  openClassifier(size: Capacity): Promise<Classifier>;
  dispose(): Promise<void>;
}
