/** The addon's contexts, as `native/js/context.cc` defines them. */
import type { KvType } from "../kv-types.js";
import type {
  AnswerEnd,
  BlockEnd,
  Continuation,
  Expansion,
  Scores,
  SequencesStatus,
  TokenMetric,
} from "../sequences.js";
import type { NativeModel, NativeSampling } from "./native-model.js";

/** Names a sequence of one context; never reused. */
export type SequenceHandle = number;

interface NativeDraw {
  parent: SequenceHandle;
  /** Words 0 to 2 of the random counter; word 3 is the token's position. */
  stream: [number, number, number];
  position: number;
  maxTokens: number;
  keep: boolean;
  /** Keeps the sequence of a text that ended too; it lacks the last token, and logits. */
  keepEnded: boolean;
  /** A text that is kept may pause once it has so many tokens; default 0: it doesn't. */
  pauseAfter?: number;
  /** What the text has so far: a stop string or the answer's end may have begun in it, and a grammar reads it. */
  text: Int32Array;
}

export interface NativeGenerateRequest {
  draws: NativeDraw[];
  sampling: NativeSampling;
  metrics?: readonly TokenMetric[];
  key: [number, number];
  stopStrings: string[];
  stopTokens: Int32Array;
  /** Continuations end once they have answered; null: they go on. */
  answerEnd: AnswerEnd | null;
  /** Where texts pause. Default: nowhere. */
  pause?: BlockEnd;
  maxTotalTokens: number;
  /** Decodes what continuations of one parent have in common once. */
  sharePrefixes: boolean;
  timeLimitMs: number | null;
}

/** `sequence` is 0 where none was kept. */
type NativeContinuation = Omit<Continuation, "sequence"> & { sequence: SequenceHandle };

type NativeScores = Scores & { sequence: SequenceHandle };

type NativeExpansion = Omit<Expansion, "sequence"> & { sequence: SequenceHandle };

/** Tokens and time since the context was made, and what it holds now. */
export interface ContextStatus extends SequencesStatus {
  /** @internal Decodes of the whole context: tests see in it that its partitions share them. */
  contextDecodes: number;
  /** @internal Tokens drawn from rows of logits that stayed on the device. */
  deviceDraws: number;
  /** Those nanoseconds of `decodeNs` in attention of our own, which shares what texts have in common. */
  attentionNs: number;
  /** Nanoseconds of the whole of `prefill`, `generate` and `score` calls on the engine thread. */
  callNs: number;
}

interface NativeContextOptions {
  cells: number;
  maxSequences: number;
  batchSize: number;
  maxOutputs: number;
  threads: number;
  /**
   * @internal Threads for prompts; default: `threads`. Tests of the threads that sample give it: more
   * threads than cores would spin in ggml.
   */
  batchThreads?: number;
  /** -1 automatic, 0 off, 1 on, 2 the engine's own, 3 ours or none. */
  flashAttention: -1 | 0 | 1 | 2 | 3 | 4;
  classifies?: boolean;
  /** Default f16. */
  kvType?: KvType;
  /** Keeps rows of logits on the device, where that is possible. */
  samplesOnDevice?: boolean;
}

/** What a sequence held, outside of its context. */
export interface SavedSequence {
  /** 0 once it was freed. */
  bytes(): number;
  free(): void;
}

export interface NativeContext {
  open(model: NativeModel, options: NativeContextOptions): Promise<number>;
  /** As `open`, within an open context, which lends it cells and sequences until it is closed. */
  openPartition(
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
  save(sequence: SequenceHandle): Promise<SavedSequence>;
  /** A new sequence with the first tokens of a saved one; it has logits if it has all of them. */
  restore(saved: SavedSequence, length: number): Promise<SequenceHandle>;
  generate(request: NativeGenerateRequest): Promise<NativeContinuation[]>;
  /** `keep`: a sequence that holds the continuation too is left. */
  score(
    requests: { parent: SequenceHandle; tokens: Int32Array; keep: boolean; text?: Int32Array }[],
    sampling: NativeSampling,
    metrics?: readonly TokenMetric[],
  ): Promise<NativeScores[]>;
  /** `token`: appended to a fork of the parent; null: the parent as it is. */
  expand(
    requests: { parent: SequenceHandle; token: number | null; text?: Int32Array }[],
    count: number,
    sampling: NativeSampling,
  ): Promise<NativeExpansion[]>;
  classify(requests: { parent: SequenceHandle; tokens: Int32Array }[]): Promise<Float64Array[]>;
  timeDecodes(threads: number, count: number, limitMs: number): Promise<Float64Array>;
  status(): Promise<ContextStatus>;
  progress(): number;
  abort(): void;
  close(): Promise<void>;
}
