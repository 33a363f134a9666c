/** The interface of an autoregressive model's cached texts: drawing, scoring and ranking tokens. */
import type { Sampling } from "./sampling.js";
import type { ThoughtRules } from "./thoughts.js";

/** Properties of each token's distribution. They cost time, so they are measured only on request. */
export const TOKEN_METRICS = ["entropies", "selfCertainties"] as const;
export type TokenMetric = (typeof TOKEN_METRICS)[number];

/** The requested metrics: one number for each token, in nats. */
type Metrics = Partial<Record<TokenMetric, Float64Array>>;

/**
 * Where a text may pause. "line": after the end of a line. "sentence": after the end of a line or a
 * sentence. "entropy": after a token whose distribution had an entropy of at least log 2 nats, that of
 * a fair coin.
 */
export type BlockEnd = "line" | "sentence" | "entropy";

/** A text's answer ends with the first `end` after its first `mark`. Both are non-empty. */
export interface AnswerEnd {
  mark: string;
  end: string;
}

/** Words 0 to 2 of the random counter; word 3 is the token's position. */
export type RandomStream = readonly [number, number, number];

/** Words 0 and 1 of the random key: the seed. */
export type RandomKey = readonly [number, number];

interface Draw {
  /** The sequence to continue. It must have the logits of the next token. */
  parent: Sequence;
  stream: RandomStream;
  /** The index in the text of the first drawn token, from 0. */
  position: number;
  maxTokens: number;
  /** Whether the sequence is kept if the text has not ended. */
  keep: boolean;
  /**
   * Whether the sequence is also kept if the text has ended. Such a sequence lacks the last token and
   * the logits after it. Default false.
   */
  keepEnded?: boolean;
  /** The number of tokens from which on a kept text may pause. Default 0: it never pauses. */
  pauseAfter?: number;
  /**
   * The tokens that the text has so far. A stop string or the answer's end may have begun in them, and
   * a constraint reads them.
   */
  text: Int32Array;
}

/** A request to draw continuations of several texts. */
export interface GenerateRequest {
  draws: readonly Draw[];
  sampling: Sampling;
  /**
   * Tokens are drawn with probabilities proportional to this power of the policy's probabilities,
   * normalized over the policy's support. From .001 to 1000, and at most 1000 times
   * `sampling.temperature`. Default 1.
   */
  power?: number;
  metrics?: readonly TokenMetric[];
  key: RandomKey;
  stopStrings: readonly string[];
  /** Special tokens that end a text as a stop string does. */
  stopTokens: Int32Array;
  /** Continuations stop at the end of their answer; null if they go on after it. */
  answerEnd: AnswerEnd | null;
  /** How thoughts are recognized and ended. Each draw's `text` must then hold all of its tokens so far. */
  thoughts?: ThoughtRules;
  /**
   * Where texts pause. A paused text has the finish `length`, like one that has reached `maxTokens`.
   * "entropy" needs the metric `entropies`.
   */
  pause?: BlockEnd;
  /** Limit of the tokens of all continuations together, kept to within one decode. */
  maxTotalTokens: number;
  /** Whether the common prefix of continuations of one parent is decoded only once. */
  sharePrefixes: boolean;
  /** The time after which all continuations end, kept to within one decode; null for no limit. */
  timeLimitMs: number | null;
}

/** Log-probabilities of a text's tokens: one for each token, in nats. */
export interface Scores extends Metrics {
  /** Under the policy; -Infinity outside its support. */
  logProbs: Float64Array;
  /** Under the model's softmax. */
  rawLogProbs: Float64Array;
  /**
   * Only with a constraint: for each token, the log of the total probability of the tokens that the
   * constraint allows in its place. The probability is the policy's, or the model's softmax if the
   * temperature is 0. `logProbs - logMasses` is the log-probability under the constrained distribution,
   * from which tokens are drawn. For drawn tokens the mass is an unbiased estimate, which is close to
   * the exact value. For scored tokens it is exact, and -Infinity from the first disallowed token on.
   */
  logMasses?: Float64Array;
}

/** A text to score after a parent sequence. */
export interface ScoreRequest {
  parent: Sequence;
  tokens: Int32Array;
  /** The text's tokens before `tokens`, which a constraint reads. Default: none. */
  text?: Int32Array;
}

/** A given continuation after scoring. */
export interface Followed extends Scores {
  /** Holds parent and continuation, with the logits of the next token; null if it was not kept. */
  sequence: Sequence | null;
}

/** A drawn continuation. Tokens that were forced to end thoughts also have the policy's log-probabilities. */
export interface Continuation extends Scores {
  tokens: Int32Array;
  /** Log-probabilities under the `power` of the policy, from which tokens are drawn; empty if it is 1. */
  drawnLogProbs: Float64Array;
  /**
   * Why it ended. `end`: an end token. `stop`: a stop string or stop token. `answered`: the end of the
   * answer. `thoughts`: the budget of the thoughts. `length`: its own `maxTokens`, or a pause. `dead`:
   * the constraint allows no next token of positive probability, so the text's probability is 0.
   * `budget`: the request's limit of tokens or of time.
   */
  finish: "end" | "stop" | "answered" | "thoughts" | "length" | "dead" | "budget";
  /** The sequence that holds the text; null if it was not kept. */
  sequence: Sequence | null;
}

/** The most probable next tokens of a text, in descending order. */
export interface Expansion {
  /** Holds the text and the token that was appended to it. */
  sequence: Sequence;
  tokens: Int32Array;
  logProbs: Float64Array;
  rawLogProbs: Float64Array;
  /** Like an element of `Scores.logMasses`, and exact; absent if the constraint allows no token. */
  logMass?: number;
}

/** Counts of tokens and times since the lease, and the current use of cells and sequences. */
export interface SequencesStatus {
  prefilled: number;
  /** Prompt tokens that came from kept prompts, and so were not decoded. */
  restored: number;
  generated: number;
  decoded: number;
  scored: number;
  forks: number;
  /** Decodes that computed tokens of these sequences. */
  decodes: number;
  /** Nanoseconds in the engine, until a batch's logits are computed. */
  decodeNs: number;
  /** Nanoseconds of drawing and scoring tokens from logits. */
  samplingNs: number;
  cells: number;
  usedCells: number;
  sequences: number;
  freeSequences: number;
  /**
   * The number of continued texts that the engine may have split into other tokens, for an engine that
   * takes texts instead of tokens. Absent for an engine that takes tokens.
   */
  retokenised?: number;
}

/** A cache of prompts. They are kept after the end of the lease in which they were decoded. */
export interface KeptPrompts {
  /**
   * Returns a new sequence with the longest kept prefix of a prompt, and its length in tokens; null if
   * no kept prefix is long enough to help. If texts can't be truncated, only a whole kept prompt can be
   * the prefix.
   */
  recall(prompt: Int32Array): Promise<{ sequence: Sequence; length: number } | null>;
  /** Keeps the prompt that a sequence holds, if there is enough memory. */
  keep(sequence: Sequence, prompt: Int32Array): Promise<void>;
}

/** The cells and sequences that one run has leased. Promises reject with a `LlamaEtsError`. */
export interface Sequences {
  /** Tokens of one decode. */
  readonly batchTokens: number;
  /** Rows of logits of one decode. */
  readonly outputs: number;
  /**
   * Where `truncate` can cut: "any" is at any length, "tip" is nowhere. Forks always hold the whole
   * text. With "tip", a sequence that held text can't be used after a failed prefill, only disposed of.
   */
  readonly rewind: "any" | "tip";
  /** Creates an empty sequence. */
  create(): Promise<Sequence>;
  /** The kept prompts; absent if the engine keeps none. */
  readonly prompts?: KeptPrompts;
  /** Appends tokens to several sequences, packed into as few decodes as possible. */
  prefill(requests: readonly { sequence: Sequence; tokens: Int32Array }[]): Promise<void>;
  /** Draws continuations. */
  generate(request: GenerateRequest): Promise<Continuation[]>;
  /** Scores given continuations of cached sequences. The sequences don't change. */
  score(
    requests: readonly ScoreRequest[],
    sampling: Sampling,
    metrics?: readonly TokenMetric[],
  ): Promise<Scores[]>;
  /** Like `score`, and returns a sequence with the continuation for each request with `keep`. */
  follow(
    requests: readonly (ScoreRequest & { keep: boolean })[],
    sampling: Sampling,
    metrics?: readonly TokenMetric[],
  ): Promise<Followed[]>;
  /**
   * Forks each parent, appends the token to the fork (null appends none), and returns its `count` most
   * probable next tokens. `text` holds the text's tokens including the new one; a constraint reads it.
   */
  expand(
    requests: readonly { parent: Sequence; token: number | null; text?: Int32Array }[],
    count: number,
    sampling: Sampling,
  ): Promise<Expansion[]>;
  status(): Promise<SequencesStatus>;
  /** The number of tokens that the running `generate` has drawn so far. */
  readonly progress: number;
  /**
   * The tokens that the running `generate` has drawn of its first continuation, from index `from` on.
   * Absent if the engine reports none before the call ends.
   */
  drawn?(from: number): Int32Array;
  /** Makes running and waiting calls reject with `ERR_ABORTED`. */
  abort(): void;
}

/** Cached tokens of one text. Its disposal frees them, except those that forks share. */
export interface Sequence extends AsyncDisposable {
  /** Appends tokens and decodes them. */
  prefill(tokens: Int32Array): Promise<void>;
  /** Returns a new sequence that shares this one's cells. */
  fork(): Promise<Sequence>;
  /** Removes all but the first `length` tokens. A shortened sequence needs a prefill before `generate`. */
  truncate(length: number): Promise<void>;
}
