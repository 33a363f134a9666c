/** The interface that each kind of server implements, between the engine and the servers' HTTP APIs. */
import type { PlainMessage } from "../chat/messages.js";
import type { Sampling } from "../sampling.js";
import type { Piece } from "./remote-vocabulary.js";

/** Facts about a server and its model. */
export interface ServerFacts {
  /** The kind of its API. */
  kind: "llama-server" | "vllm" | "openai";
  /** The server's name and version; for the kind "openai" only a general name. */
  release: string;
  /** The model's name in requests. */
  model: string;
  parameters: number;
  sizeBytes: number;
  contextLength: number;
  vocabSize: number;
  /**
   * How requests send a text to continue: as the ids of its drawn tokens, or as text, which the server
   * tokenizes again.
   */
  prefixes: "tokens" | "texts";
  /** Whether the server returns log-probabilities of given tokens. */
  scores: boolean;
  /** The most continuations of one request. */
  perRequest: number;
}

/** The text to continue. Depending on `ServerFacts.prefixes`, `ids` or `text` is empty. */
export interface ServerPrefix {
  text: string;
  ids: readonly number[];
}

/** A drawn token. */
export interface DrawnPiece extends Piece {
  /** The log-probability that the server reports, in nats. */
  logProb: number;
}

/** A continuation that a server drew. */
export interface Drawn {
  pieces: DrawnPiece[];
  /** Whether the last piece is a token that ends texts. */
  endsWithToken: boolean;
  finish: "end" | "stop" | "length";
}

/** A server's answer to a `CompletionRequest`. */
export interface Completions {
  drawn: Drawn[];
  /** Numbers of tokens by the server's count. */
  usage: { prompt: number; cached: number; generated: number };
}

/** A request for several continuations of one text. */
export interface CompletionRequest {
  prefix: ServerPrefix;
  /** Number of continuations. */
  n: number;
  maxTokens: number;
  sampling: Sampling;
  stop: readonly string[];
  /** An integer from 0 to 2^31 - 1. */
  seed: number;
}

/** A server and its model. */
export interface Server {
  readonly facts: ServerFacts;
  complete(request: CompletionRequest, signal: AbortSignal): Promise<Completions>;
  /** The ids of a prompt's tokens, including special tokens. Absent if the server doesn't report ids. */
  tokenize?(text: string, signal?: AbortSignal): Promise<number[]>;
  /**
   * Throws for messages that contain texts of special tokens. The server would read these as special
   * tokens, so the author of a message could end it and speak for another role.
   */
  checkMessages(messages: readonly PlainMessage[], signal?: AbortSignal): Promise<void>;
  /**
   * Applies the server's own chat template to a conversation, up to the beginning of the answer. `ids`
   * are its tokens; null if `text` determines them. Absent if the server can't apply its template.
   */
  applyTemplate?(
    messages: readonly PlainMessage[],
    signal?: AbortSignal,
  ): Promise<{ text: string; ids: number[] | null }>;
  /** Log-probabilities of tokens after a prefix, under the model's softmax, in nats. */
  score?(
    prefix: readonly number[],
    tokens: readonly number[],
    signal: AbortSignal,
  ): Promise<{ logProbs: number[]; prompt: number; cached: number }>;
}
