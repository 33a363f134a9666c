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
import type { ThoughtRules } from "../thoughts.js";
import type { NativeModel, NativeSampling } from "./native-model.js";

/** The number of a sequence in its context. Numbers are never reused. */
export type SequenceHandle = number;

interface NativeDraw {
  parent: SequenceHandle;
  /** Words 0 to 2 of the random counter; word 3 is the token's position. */
  stream: [number, number, number];
  position: number;
  maxTokens: number;
  keep: boolean;
  /** Also keeps the sequence of a text that has ended. It lacks the last token, and has no logits. */
  keepEnded: boolean;
  /** The number of tokens from which on a kept text may pause. Default 0: it never pauses. */
  pauseAfter?: number;
  /** The text's tokens so far. A stop string or the answer's end may begin in them; a grammar reads them. */
  text: Int32Array;
}

export interface NativeGenerateRequest {
  draws: NativeDraw[];
  sampling: NativeSampling;
  metrics?: readonly TokenMetric[];
  key: [number, number];
  stopStrings: string[];
  stopTokens: Int32Array;
  /** Continuations stop at the end of their answer; null if they go on after it. */
  answerEnd: AnswerEnd | null;
  thoughts?: ThoughtRules;
  /** Where texts pause. Default: nowhere. */
  pause?: BlockEnd;
  maxTotalTokens: number;
  /** Whether the common prefix of continuations of one parent is decoded only once. */
  sharePrefixes: boolean;
  timeLimitMs: number | null;
}

/** `sequence` is 0 if none was kept. */
type NativeContinuation = Omit<Continuation, "sequence"> & { sequence: SequenceHandle };

type NativeScores = Scores & { sequence: SequenceHandle };

type NativeExpansion = Omit<Expansion, "sequence"> & { sequence: SequenceHandle };

/** Counts of tokens and times since the context was created, and its current use. */
export interface ContextStatus extends SequencesStatus {
  /** @internal Decodes of the whole context. Tests check by it that partitions share decodes. */
  contextDecodes: number;
  /** @internal Tokens drawn from rows of logits that stayed on the device. */
  deviceDraws: number;
  /** The part of `decodeNs` in this package's own attention. */
  attentionNs: number;
  /** Nanoseconds of complete `prefill`, `generate` and `score` calls on the engine thread. */
  callNs: number;
}

interface NativeContextOptions {
  cells: number;
  maxSequences: number;
  batchSize: number;
  maxOutputs: number;
  threads: number;
  /**
   * @internal Threads for prompts; default: `threads`. Tests of the sampling threads set it, because more
   * of ggml's threads than cores would spin.
   */
  batchThreads?: number;
  /** -1 "auto", 0 off, 1 on, 2 "engine", 3 "shared", 4 "own": see `FlashAttention`. */
  flashAttention: -1 | 0 | 1 | 2 | 3 | 4;
  classifies?: boolean;
  /** Default f16. */
  kvType?: KvType;
  /** Whether rows of logits stay on the device, if that is possible. */
  samplesOnDevice?: boolean;
}

/** The saved content of a sequence, which doesn't depend on its context. */
export interface SavedSequence {
  /** Its size in bytes; 0 after `free`. */
  bytes(): number;
  free(): void;
}

export interface NativeContext {
  open(model: NativeModel, options: NativeContextOptions): Promise<number>;
  /** Like `open`, as a partition of an open context. It borrows cells and sequences until its `close`. */
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
  /** Creates a sequence with the first tokens of a saved one. It has logits only if it has all tokens. */
  restore(saved: SavedSequence, length: number): Promise<SequenceHandle>;
  generate(request: NativeGenerateRequest): Promise<NativeContinuation[]>;
  /** With `keep`, the result has a sequence that holds parent and continuation. */
  score(
    requests: { parent: SequenceHandle; tokens: Int32Array; keep: boolean; text?: Int32Array }[],
    sampling: NativeSampling,
    metrics?: readonly TokenMetric[],
  ): Promise<NativeScores[]>;
  /** `token` is appended to a fork of the parent; null appends none. */
  expand(
    requests: { parent: SequenceHandle; token: number | null; text?: Int32Array }[],
    count: number,
    sampling: NativeSampling,
  ): Promise<NativeExpansion[]>;
  classify(requests: { parent: SequenceHandle; tokens: Int32Array }[]): Promise<Float64Array[]>;
  timeDecodes(threads: number, count: number, limitMs: number): Promise<Float64Array>;
  status(): Promise<ContextStatus>;
  progress(): number;
  /** The tokens that the running `generate` has drawn of its first continuation, from index `from` on. */
  drawn(from: number): Int32Array;
  abort(): void;
  close(): Promise<void>;
}
