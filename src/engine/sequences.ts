/** Cached texts of an autoregressive model, and what is drawn from them, scored and ranked. */
import type { Sampling } from "./sampling.js";
import type { ThoughtRules } from "./thoughts.js";

/** What can be measured of the distribution of each token, at a cost: only when asked for. */
export const TOKEN_METRICS = ["entropies", "selfCertainties"] as const;
export type TokenMetric = (typeof TOKEN_METRICS)[number];

/** The metrics asked for, one number a token, in nats. */
type Metrics = Partial<Record<TokenMetric, Float64Array>>;

/**
 * Where a text may pause: behind a line's end; behind a sentence's too; or behind a token that was as
 * uncertain as a fair coin, of an entropy of log 2 or more.
 */
export type BlockEnd = "line" | "sentence" | "entropy";

/** A text's answer ends with the first `end` behind its first `mark`; neither is empty. */
export interface AnswerEnd {
  mark: string;
  end: string;
}

/** Words 0 to 2 of the random counter; word 3 is the token's position. */
export type RandomStream = readonly [number, number, number];

/** Words 0 and 1 of the random key: the seed. */
export type RandomKey = readonly [number, number];

interface Draw {
  /** Holds what is continued, with the distribution of the token that comes next. */
  parent: Sequence;
  stream: RandomStream;
  /** The place of the first token drawn in the text, from 0. */
  position: number;
  maxTokens: number;
  /** Keeps the sequence of an unfinished text. */
  keep: boolean;
  /** Keeps that of a text that ended too; it lacks the last token, and its logits. Default false. */
  keepEnded?: boolean;
  /** A text that is kept may pause once it has so many tokens; default 0: it doesn't. */
  pauseAfter?: number;
  /** What the text has so far: a stop string or the answer's end may have begun in it, and a constraint reads it. */
  text: Int32Array;
}

export interface GenerateRequest {
  draws: readonly Draw[];
  sampling: Sampling;
  /**
   * Tokens are drawn with probability ∝ the policy's to this power, normalised over what the policy
   * leaves: from .001 to 1000, `sampling.temperature` over it at least .001. Default 1.
   */
  power?: number;
  metrics?: readonly TokenMetric[];
  key: RandomKey;
  stopStrings: readonly string[];
  /** Special tokens that end a text as a stop string does. */
  stopTokens: Int32Array;
  /** Continuations end once they have answered; null: they go on. */
  answerEnd: AnswerEnd | null;
  /** How thoughts are told from answers, and ended; a draw's `text` is then all that it has so far. */
  thoughts?: ThoughtRules;
  /** Where texts pause, as those do that have their `maxTokens`. "entropy" needs the metric. */
  pause?: BlockEnd;
  /** Tokens that all continuations may have together, within one decode. */
  maxTotalTokens: number;
  /** Decodes what continuations of one parent have in common once. */
  sharePrefixes: boolean;
  /** Ends all continuations after this time, within one decode; null: no limit. */
  timeLimitMs: number | null;
}

/** One log-probability a token, in nats. */
export interface Scores extends Metrics {
  /** Under the policy; -Infinity outside its support. */
  logProbs: Float64Array;
  /** Under the model's softmax. */
  rawLogProbs: Float64Array;
  /**
   * With a constraint: the log of the probability, under the policy, of all tokens that it allows in the
   * token's place; at temperature 0 under the model's softmax. `logProbs - logMasses` is under the law
   * that tokens are drawn from. Of drawn tokens it is the log of an unbiased estimate, which hardly
   * differs; of scored ones it is exact, and -Infinity from the first one on that isn't allowed.
   */
  logMasses?: Float64Array;
}

/** A text to be scored. */
export interface ScoreRequest {
  parent: Sequence;
  tokens: Int32Array;
  /** What the text has before them, which a constraint reads. Default: nothing. */
  text?: Int32Array;
}

/** A continuation that was given and scored. */
export interface Followed extends Scores {
  /** Holds the continuation too, with the distribution of what comes next; null: not kept. */
  sequence: Sequence | null;
}

/** Tokens that were forced to end thoughts have the policy's own log-probabilities, as others do. */
export interface Continuation extends Scores {
  tokens: Int32Array;
  /** Under the policy to its `power`, which they were drawn from; empty where that is 1. */
  drawnLogProbs: Float64Array;
  /**
   * `stop`, a stop string; `answered`, the answer's end; `thoughts`, their budget; `length`, its own
   * `maxTokens`, or a pause; `dead`, a constraint allows nothing after it that has probability: that of
   * the text is 0.
   */
  finish: "end" | "stop" | "answered" | "thoughts" | "length" | "dead" | "budget";
  /** Null: none kept. */
  sequence: Sequence | null;
}

/** The most probable next tokens of a text, in descending order. */
export interface Expansion {
  /** Holds the text with the token it was expanded by. */
  sequence: Sequence;
  tokens: Int32Array;
  logProbs: Float64Array;
  rawLogProbs: Float64Array;
  /** As of `Scores`, exact; absent where nothing is allowed. */
  logMass?: number;
}

/** Tokens and time since the sequences were leased, and what is held now. */
export interface SequencesStatus {
  prefilled: number;
  /** Tokens of prompts that were kept, and didn't have to be read. */
  restored: number;
  generated: number;
  decoded: number;
  scored: number;
  forks: number;
  /** Decodes that they had a part in. */
  decodes: number;
  /** Nanoseconds in the engine, until a batch's logits are there. */
  decodeNs: number;
  /** Nanoseconds of drawing and scoring tokens from logits. */
  samplingNs: number;
  cells: number;
  usedCells: number;
  sequences: number;
  freeSequences: number;
  /**
   * How many continued texts may have got other tokens, where an engine hands over texts in place of
   * tokens. Absent where it hands over tokens.
   */
  retokenised?: number;
}

/** Prompts that are kept beyond the lease they were read in. */
export interface KeptPrompts {
  /**
   * A new sequence with the longest kept beginning of a prompt, and its length; null: none is worth
   * it. Where texts can't be cut back, only what ends with a kept prompt is.
   */
  recall(prompt: Int32Array): Promise<{ sequence: Sequence; length: number } | null>;
  /** Keeps the prompt that a sequence holds, if memory allows it. */
  keep(sequence: Sequence, prompt: Int32Array): Promise<void>;
}

/** One run's room for texts. A failed promise is a `LlamaEtsError`. */
export interface Sequences {
  /** Tokens of one decode. */
  readonly batchTokens: number;
  /** Rows of logits of one decode. */
  readonly outputs: number;
  /**
   * Where `truncate` can cut: "any", at any length; "tip", nowhere. Forks are at the tip. Where it is
   * "tip", a sequence that held text is lost when a prefill of it fails: only disposing it is left.
   */
  readonly rewind: "any" | "tip";
  /** An empty sequence. */
  create(): Promise<Sequence>;
  /** Absent where an engine keeps no prompts. */
  readonly prompts?: KeptPrompts;
  /** Appends tokens to several sequences at once, packed into as few decodes as fit. */
  prefill(requests: readonly { sequence: Sequence; tokens: Int32Array }[]): Promise<void>;
  /** Draws continuations. */
  generate(request: GenerateRequest): Promise<Continuation[]>;
  /** Scores given continuations of cached sequences, which stay as they are. */
  score(
    requests: readonly ScoreRequest[],
    sampling: Sampling,
    metrics?: readonly TokenMetric[],
  ): Promise<Scores[]>;
  /** As `score`; of the continuations that more will follow, sequences are kept. */
  follow(
    requests: readonly (ScoreRequest & { keep: boolean })[],
    sampling: Sampling,
    metrics?: readonly TokenMetric[],
  ): Promise<Followed[]>;
  /**
   * Appends a token to a fork of each parent, or none to a fork of it as it is, and ranks what comes
   * next: the `count` most probable tokens. `text` is what it has with the token, which a constraint
   * reads.
   */
  expand(
    requests: readonly { parent: Sequence; token: number | null; text?: Int32Array }[],
    count: number,
    sampling: Sampling,
  ): Promise<Expansion[]>;
  status(): Promise<SequencesStatus>;
  /** Tokens generated so far by the running `generate`. */
  readonly progress: number;
  /**
   * Tokens of the first continuation of the running `generate` so far, without the first `from`.
   * Absent where an engine tells none before the call ends.
   */
  drawn?(from: number): Int32Array;
  /** Makes what runs and waits reject with `ERR_ABORTED`. */
  abort(): void;
}

/** Cached tokens of one text. Disposing it frees them, but for those that its forks share. */
export interface Sequence extends AsyncDisposable {
  /** Appends tokens and decodes them. */
  prefill(tokens: Int32Array): Promise<void>;
  /** A sequence that shares this one's cells. */
  fork(): Promise<Sequence>;
  /** Keeps the first `length` tokens; prefill before generating from a shortened sequence. */
  truncate(length: number): Promise<void>;
}
