/** The addon's interface, as `native/addon.cc`, `model.cc` and `context.cc` define it. */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { codeOf, type ErrorCode, LlamaEtsError, messageOf } from "./errors.js";

/** Names a sequence of one context; never reused. */
export type SequenceHandle = number;

export interface NativeSampling {
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  allowedTokens: Int32Array;
  /** Ids from here on have no probability. */
  vocabLimit: number;
}

/** What can be measured of the distribution of each token, at a cost: only when asked for. */
export type TokenMetric = "entropies" | "selfCertainties";

/** The metrics asked for, one number a token, in nats. */
interface NativeMetrics {
  entropies?: Float64Array;
  selfCertainties?: Float64Array;
}

export interface NativeModelInfo {
  description: string;
  parameters: number;
  sizeBytes: number;
  contextLength: number;
  layers: number;
  heads: number;
  kvHeads: number;
  embeddingSize: number;
  slidingWindow: number;
  vocabSize: number;
  hasEncoder: boolean;
  hasDecoder: boolean;
  isRecurrent: boolean;
  isHybrid: boolean;
  isDiffusion: boolean;
  bos: number | null;
  eos: number | null;
  eot: number | null;
  pad: number | null;
  mask: number | null;
  addBos: boolean;
  addEos: boolean;
  chatTemplate: string | null;
  /** Of the classes of a classification head; none without a head. */
  labels: string[];
}

export interface NativeModel {
  info(): NativeModelInfo;
  metadata(): Record<string, string>;
  tokenize(text: string, addSpecial: boolean, parseSpecial: boolean): Int32Array;
  detokenize(tokens: Int32Array, special: boolean): string;
  tokenText(token: number): string;
  isEndToken(token: number): boolean;
  /** The lowest token id at which two vocabularies differ; padding at the end aside. */
  firstTokenDifference(other: NativeModel): number | null;
  close(): void;
}

/** A text's answer ends with the first `end` behind its first `mark`; neither is empty. */
export interface AnswerEnd {
  mark: string;
  end: string;
}

interface NativeDraw {
  parent: SequenceHandle;
  /** Words 0 to 2 of the random counter; word 3 is the token's position. */
  stream: [number, number, number];
  position: number;
  maxTokens: number;
  keep: boolean;
  /** Keeps the sequence of a text that ended too; it lacks the last token, and logits. */
  keepEnded: boolean;
  /**
   * The end of the text so far: back to its answer's mark, or as far as a mark or stop string may
   * have begun.
   */
  tail: string;
}

export interface NativeGenerateRequest {
  draws: NativeDraw[];
  sampling: NativeSampling;
  /** Another policy to report the drawn tokens under. */
  reference: NativeSampling | null;
  metrics?: readonly TokenMetric[];
  key: [number, number];
  stopTokens: Int32Array;
  stopStrings: string[];
  /** Continuations end once they have answered; null: they go on. */
  answerEnd: AnswerEnd | null;
  maxTotalTokens: number;
  /** Decodes what continuations of one parent have in common once. */
  sharePrefixes: boolean;
  timeLimitMs: number | null;
}

export interface NativeContinuation extends NativeMetrics {
  tokens: Int32Array;
  logProbs: Float64Array;
  rawLogProbs: Float64Array;
  /** Under `reference`; empty without one. */
  referenceLogProbs: Float64Array;
  finish: "end" | "stop" | "answered" | "length" | "budget";
  /** 0: none kept. */
  sequence: SequenceHandle;
}

export interface NativeScores extends NativeMetrics {
  logProbs: Float64Array;
  rawLogProbs: Float64Array;
}

/** The most probable next tokens of a text, in descending order. */
export interface NativeExpansion {
  /** Holds the text with the token it was expanded by. */
  sequence: SequenceHandle;
  tokens: Int32Array;
  logProbs: Float64Array;
  rawLogProbs: Float64Array;
}

/** Tokens and time since the context was made, and what it holds now. */
export interface ContextStatus {
  prefilled: number;
  generated: number;
  decoded: number;
  scored: number;
  forks: number;
  /** Decodes that it had a part in. */
  decodes: number;
  /** Those of the whole context, whose lanes share them. */
  contextDecodes: number;
  /** Nanoseconds in the engine, until a batch's logits are there. */
  decodeNs: number;
  /** Nanoseconds of drawing and scoring tokens from logits. */
  samplingNs: number;
  /** Nanoseconds of the whole of `prefill`, `generate` and `score` calls on the engine thread. */
  callNs: number;
  cells: number;
  usedCells: number;
  sequences: number;
  freeSequences: number;
}

interface NativeContextOptions {
  cells: number;
  maxSequences: number;
  batchSize: number;
  maxOutputs: number;
  threads: number;
  batchThreads: number;
  flashAttention: -1 | 0 | 1;
  classifies?: boolean;
}

export interface NativeContext {
  open(model: NativeModel, options: NativeContextOptions): Promise<number>;
  /** As `open`, within an open context, which lends it cells and sequences until it is closed. */
  openLane(
    lender: NativeContext,
    options: { cells: number; maxSequences: number; maxOutputs: number },
  ): Promise<number>;
  create(): Promise<SequenceHandle>;
  fork(sequence: SequenceHandle): Promise<SequenceHandle>;
  truncate(sequence: SequenceHandle, length: number): Promise<void>;
  free(sequence: SequenceHandle): Promise<void>;
  clear(): Promise<void>;
  prefill(requests: { sequence: SequenceHandle; tokens: Int32Array }[]): Promise<void>;
  logits(sequence: SequenceHandle): Promise<Float32Array>;
  generate(request: NativeGenerateRequest): Promise<NativeContinuation[]>;
  score(
    requests: { parent: SequenceHandle; tokens: Int32Array }[],
    sampling: NativeSampling,
    metrics?: readonly TokenMetric[],
  ): Promise<NativeScores[]>;
  /** `token`: appended to a fork of the parent; null: the parent as it is. */
  expand(
    requests: { parent: SequenceHandle; token: number | null }[],
    count: number,
    sampling: NativeSampling,
  ): Promise<NativeExpansion[]>;
  classify(requests: { parent: SequenceHandle; tokens: Int32Array }[]): Promise<Float64Array[]>;
  timeDecodes(threads: number, count: number, limitMs: number): Promise<Float64Array>;
  setThreads(threads: number, batchThreads: number): Promise<void>;
  status(): Promise<ContextStatus>;
  progress(): number;
  abort(): void;
  close(): Promise<void>;
}

interface NativeDenoiseRequest {
  prompt: Int32Array;
  texts: { tokens: Int32Array; stream: [number, number, number] }[];
  blockLength: number;
  steps: number;
  from: number;
  to: number;
  sampling: NativeSampling;
  key: [number, number];
  remasking: "low-confidence" | "random" | "entropy" | "margin";
  threshold: number | null;
  factor: number | null;
  cfgScale: number;
  stopAtEnd: boolean;
  maxTotalTokens: number;
  timeLimitMs: number | null;
}

export interface NativeDenoisedText {
  /** All positions, the mask token where they were not unmasked. */
  tokens: Int32Array;
  /** The step that unmasked each position; -1 where this call did not. */
  order: Int32Array;
  /** Under the policy, when it was unmasked (nats, fp64); NaN where `order` is -1. */
  logProbs: Float64Array;
  /** As `logProbs`, under the model's own distribution without the mask token. */
  rawLogProbs: Float64Array;
  /** Steps done in this call; with `parallel`, passes. */
  steps: number;
  finish: "end" | "length" | "schedule" | "budget";
}

/** Passes and time since the context was made. */
export interface DiffusionStatus {
  /** Texts that went through the model: `fullPasses` whole, `blockPasses` from a block on. */
  fullPasses: number;
  blockPasses: number;
  /** Tokens of these passes. */
  positions: number;
  unmasked: number;
  scored: number;
  /** Texts that got their pass from another in the same state. */
  shared: number;
  decodes: number;
  /** Nanoseconds in the engine, until a batch's logits are there. */
  decodeNs: number;
  /** Nanoseconds of drawing and scoring tokens from logits. */
  samplingNs: number;
  /** Nanoseconds of the whole of `denoise` and `score` calls on the engine thread. */
  callNs: number;
}

export interface NativeDiffusionContext {
  /** Returns the mask token. */
  open(
    model: NativeModel,
    options: {
      length: number;
      texts: number;
      cache: "none" | "prefix" | "dual";
      singlePrecision: boolean;
      guidance: boolean;
      batchTokens: number;
      threads: number;
    },
  ): Promise<number>;
  denoise(request: NativeDenoiseRequest): Promise<NativeDenoisedText[]>;
  score(request: {
    prompt: Int32Array;
    states: { tokens: Int32Array; targets: Int32Array }[];
    sampling: NativeSampling;
    cfgScale: number;
  }): Promise<Float64Array[]>;
  status(): Promise<DiffusionStatus>;
  progress(): number;
  /** The first text of the latest `denoise`, as far as it is unmasked. */
  shown(): Int32Array;
  abort(): void;
  close(): Promise<void>;
}

export interface Device {
  name: string;
  description: string;
  type: "cpu" | "gpu" | "integrated-gpu" | "accelerator";
  freeBytes: number;
  totalBytes: number;
}

interface TokenProbability {
  token: number;
  logProb: number;
  rawLogProb: number;
  entropy?: number;
  selfCertainty?: number;
}

export interface Addon {
  engineRelease: string;
  openEngine(directory: string): void;
  devices(): Device[];
  /** Whether an exclusive lock was taken on an open file; closing it, or dying, gives it back. */
  lockFile(descriptor: number): boolean;
  loadModel(options: {
    path: string;
    gpuLayers: number;
    /** Reads diffusion models into memory, so that keys and values can be kept of their texts. */
    cachesDiffusion: boolean;
    onProgress(progress: number): void;
  }): {
    promise: Promise<NativeModel>;
    cancel(): void;
  };
  Context: new () => NativeContext;
  DiffusionContext: new () => NativeDiffusionContext;
  philox(counter: number[], key: number[]): number[];
  drawToken(
    logits: Float32Array,
    sampling: NativeSampling,
    uniform: number,
    metrics?: readonly TokenMetric[],
  ): TokenProbability;
  scoreToken(
    logits: Float32Array,
    sampling: NativeSampling,
    token: number,
    metrics?: readonly TokenMetric[],
  ): TokenProbability;
}

let loaded: Addon | undefined;

/** Loads the addon; llama.cpp itself is opened by `openEngine`. */
export function addon(): Addon {
  if (loaded !== undefined) return loaded;
  const file = new URL("../../build/Release/llama_ets.node", import.meta.url);
  try {
    loaded = createRequire(import.meta.url)(fileURLToPath(file)) as Addon;
  } catch (error) {
    throw new LlamaEtsError(
      "ERR_ENGINE_NOT_FOUND",
      `The native addon could not be loaded: ${messageOf(error)}`,
      { fix: "npm rebuild llama-ets (needs a C++ compiler, python3 and git)", cause: error },
    );
  }
  return loaded;
}

/** Rethrows an error of the addon, which carries only a code, as a LlamaEtsError. */
export function rethrow(error: unknown, fixes: Partial<Record<ErrorCode, string>> = {}): never {
  const code = codeOf(error);
  if (error instanceof LlamaEtsError || code === undefined || !code.startsWith("ERR_")) throw error;
  const fix = fixes[code as ErrorCode];
  throw new LlamaEtsError(
    code as ErrorCode,
    messageOf(error),
    fix === undefined ? { cause: error } : { cause: error, fix },
  );
}

/** Runs a call of the addon, at once or as a promise; its errors become LlamaEtsErrors. */
export async function call<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    return rethrow(error);
  }
}

/** As `call`, for what the addon answers at once. */
export function callNow<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    return rethrow(error);
  }
}
