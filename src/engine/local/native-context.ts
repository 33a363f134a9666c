/** The addon's contexts, as `native/js/context.cc` defines them. */
import type { NativeModel, NativeSampling } from "./native-model.js";

/** Names a sequence of one context; never reused. */
export type SequenceHandle = number;

/** What can be measured of the distribution of each token, at a cost: only when asked for. */
export type TokenMetric = "entropies" | "selfCertainties";

/** The metrics asked for, one number a token, in nats. */
interface NativeMetrics {
  entropies?: Float64Array;
  selfCertainties?: Float64Array;
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
  /** Those of them in attention of our own, which shares what texts have in common. */
  attentionNs: number;
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
  /** -1 automatic, 0 off, 1 on, 2 the engine's own, 3 ours or none. */
  flashAttention: -1 | 0 | 1 | 2 | 3 | 4;
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
