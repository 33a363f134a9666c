/**
 * What crosses between the app's thread, the thread that holds the engine's process, and that process.
 * One call is a whole step of many texts; calls of one turn of the event loop cross together.
 */
import type { Abilities, Limits } from "../engine.js";
import type { ErrorCode } from "../errors.js";
import { codeOf, LlamaEtsError, messageOf } from "../errors.js";
import type { LoadProgress } from "../load-progress.js";
import type { NativeModelInfo } from "../local/native-model.js";
import type { Ref } from "./wire.js";

/** The model's own number, of the objects that calls are of. */
export const MODEL: Ref = 0;

/** What is asked of an object. */
export interface Asked {
  ref: Ref;
  method: string;
  args: readonly unknown[];
}

export interface Call {
  /** Null where nobody waits for a reply. */
  id: number | null;
  /** Which process the object is of: they are counted from 1. Null: whichever there is. */
  process: number | null;
  /** What is asked, encoded. */
  asked: Uint8Array;
}

/** What a live view shows of a call that runs. */
export interface Shown {
  progress: number;
  shown?: Int32Array;
  /** What `generate` has drawn of its first text since the last time. */
  drawn?: Int32Array;
}

export interface CrossedError {
  code: ErrorCode | "";
  message: string;
}

export interface Reply {
  id: number;
  process: number;
  /** What was answered, encoded. */
  answered: Uint8Array;
}

export type Answered =
  /** `entries`: the drawn tokens that this process has not told of before. */
  { seen?: Shown; value: unknown; entries?: PackedEntries } | { seen?: Shown; error: CrossedError };

/** Bytes of several tokens, and how many each has. */
export interface PackedBytes {
  bytes: Uint8Array;
  lengths: Int32Array;
}

/** Tokens of a vocabulary, one after another. */
export interface PackedEntries {
  tokens: Int32Array;
  texts: string[];
  ends: boolean[];
  plain: PackedBytes;
  special: PackedBytes;
}

/** What a loaded model is, as it doesn't change. */
export interface ModelFacts {
  path: string;
  kind: "autoregressive" | "diffusion";
  info: NativeModelInfo;
  metadata: Readonly<Record<string, string>>;
  threads: number;
  can: Abilities;
  limits: Limits;
}

/** From the engine's process, besides replies. */
type Told =
  | { progress: LoadProgress }
  | { warning: string }
  | { ref: Ref; process: number; seen: Shown };

export type FromEngine = { replies: readonly Reply[] } | { told: Told };

/** From the app's thread to the one that holds the process. */
export type ToHolder =
  | { calls: readonly Call[] }
  /** A call whose reply the app's thread waits for without turning its event loop. */
  | { now: Call }
  | { close: true };

/** How the engine's process is held; for tests. */
export interface Holding {
  /** Default: this process' own program. */
  execPath?: string;
  /** How long it may be silent while something waits for it. Default 120,000. */
  silentMs?: number;
}

/** What the holding thread begins with. */
export interface HolderData {
  holding: Holding;
  source: string;
  /** The app's working directory when the model was loaded: relative paths begin there, also later. */
  directory: string;
  /** Those of `loadModel` that can be cloned. */
  options: Record<string, unknown>;
  /** Turns from 0 to 1 when the reply to `now` is on `port`. */
  flag: Int32Array;
  port: import("node:worker_threads").MessagePort;
}

export function packError(error: unknown): CrossedError {
  const isOurs = error instanceof LlamaEtsError;
  return { code: isOurs ? error.code : "", message: messageOf(error) || (codeOf(error) ?? "") };
}

/** The message holds the fix already. */
export function unpackError({ code, message }: CrossedError): LlamaEtsError {
  return new LlamaEtsError(code === "" ? "ERR_ENGINE_FAILED" : code, message);
}
