/** What a server of one kind can do: the seam between the engine and the dialects of HTTP. */
import type { PlainMessage } from "../chat/messages.js";
import type { Sampling } from "../sampling.js";
import type { Piece } from "./remote-vocabulary.js";

/** What is known of a server's model. */
export interface ServerFacts {
  /** Which dialect it speaks. */
  kind: "llama-server" | "vllm" | "openai";
  /** What the server calls itself, with its version; of the last kind nothing is known. */
  release: string;
  /** The model's name, as requests give it. */
  model: string;
  parameters: number;
  sizeBytes: number;
  contextLength: number;
  vocabSize: number;
  /**
   * How a text that goes on is handed over: as the ids of the tokens that were drawn, or as text, which
   * the server tokenises again.
   */
  prefixes: "tokens" | "texts";
  /** Whether log-probabilities of given tokens can be had. */
  scores: boolean;
  /** Continuations that one request may ask for. */
  perRequest: number;
}

/** What is continued: tokens, as text and by their ids. */
export interface ServerPrefix {
  text: string;
  ids: readonly number[];
}

export interface DrawnPiece extends Piece {
  /** In nats, as the server tells it. */
  logProb: number;
}

/** What a server drew. */
export interface Drawn {
  pieces: DrawnPiece[];
  /** Whether the last piece is a token that ends texts. */
  endsWithToken: boolean;
  finish: "end" | "stop" | "length";
}

export interface Completions {
  drawn: Drawn[];
  /** Tokens, as the server counts them. */
  usage: { prompt: number; cached: number; generated: number };
}

export interface CompletionRequest {
  prefix: ServerPrefix;
  /** Continuations. */
  n: number;
  maxTokens: number;
  sampling: Sampling;
  stop: readonly string[];
  /** An integer from 0 to 2^31 - 1. */
  seed: number;
}

export interface Server {
  readonly facts: ServerFacts;
  complete(request: CompletionRequest, signal: AbortSignal): Promise<Completions>;
  /** The ids of a prompt's tokens; special tokens are read as such. Absent where it tells none. */
  tokenize?(text: string, signal?: AbortSignal): Promise<number[]>;
  /**
   * Refuses what spells out special tokens, which the server would read as such: whoever writes a
   * message could end it and speak for another role.
   */
  checkMessages(messages: readonly PlainMessage[], signal?: AbortSignal): Promise<void>;
  /**
   * A conversation by the server's own chat template, up to where the answer begins; its tokens where
   * the text doesn't say them. Absent where the server has none to offer.
   */
  applyTemplate?(
    messages: readonly PlainMessage[],
    signal?: AbortSignal,
  ): Promise<{ text: string; ids: number[] | null }>;
  /** Log-probabilities, in nats, of tokens behind a prefix, under the model's softmax. */
  score?(
    prefix: readonly number[],
    tokens: readonly number[],
    signal: AbortSignal,
  ): Promise<{ logProbs: number[]; prompt: number; cached: number }>;
}
