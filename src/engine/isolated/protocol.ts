/**
 * The messages between the app's thread, the thread that holds the engine's process, and that process.
 * One call is a whole step of many texts. Calls from one turn of the event loop are sent together.
 */
import type { Abilities, Limits } from "../engine.js";
import type { ErrorCode } from "../errors.js";
import { codeOf, LlamaEtsError, messageOf } from "../errors.js";
import type { LoadProgress } from "../load-progress.js";
import type { NativeModelInfo } from "../local/native-model.js";
import type { Ref } from "./wire.js";

/** The reference of the model itself. */
export const MODEL: Ref = 0;

/** A call of an object's method. */
export interface Asked {
  ref: Ref;
  method: string;
  args: readonly unknown[];
}

/** A call on its way to the engine's process. */
export interface Call {
  /** Null if the caller doesn't wait for a reply. */
  id: number | null;
  /** The number of the process that has the object, counted from 1. Null means the current process. */
  process: number | null;
  /** The encoded `Asked`. */
  asked: Uint8Array;
}

/** The progress of a running call, for a live view. */
export interface Shown {
  progress: number;
  shown?: Int32Array;
  /** The tokens that `generate` has drawn of its first text since the last report. */
  drawn?: Int32Array;
}

/** An error of the engine's process; the code is "" if it isn't a `LlamaEtsError`. */
export interface CrossedError {
  code: ErrorCode | "";
  message: string;
}

/** A reply on its way to the app's thread. */
export interface Reply {
  id: number;
  process: number;
  /** The encoded `Answered`. */
  answered: Uint8Array;
}

export type Answered =
  /** `entries` are the drawn tokens that this process has not sent before. */
  { seen?: Shown; value: unknown; entries?: PackedEntries } | { seen?: Shown; error: CrossedError };

/** The joined bytes of several tokens, and the number of bytes of each. */
export interface PackedBytes {
  bytes: Uint8Array;
  lengths: Int32Array;
}

/** Entries of a vocabulary. Each field lists the values of all tokens. */
export interface PackedEntries {
  tokens: Int32Array;
  texts: string[];
  ends: boolean[];
  plain: PackedBytes;
  special: PackedBytes;
}

/** The properties of a loaded model, which never change. */
export interface ModelFacts {
  path: string;
  kind: "autoregressive" | "diffusion";
  info: NativeModelInfo;
  metadata: Readonly<Record<string, string>>;
  threads: number;
  can: Abilities;
  limits: Limits;
}

/** Messages from the engine's process, other than replies. */
type Told =
  | { progress: LoadProgress }
  | { warning: string }
  | { ref: Ref; process: number; seen: Shown };

/** Messages from the engine's process to the app's thread. */
export type FromEngine = { replies: readonly Reply[] } | { told: Told };

/** Messages from the app's thread to the thread that holds the process. */
export type ToHolder =
  | { calls: readonly Call[] }
  /** A call on whose reply the app's thread blocks. */
  | { now: Call }
  | { close: true };

/** How the holding thread starts and watches the engine's process. Tests set it. */
export interface Holding {
  /** The program of the process. Default: that of this process. */
  execPath?: string;
  /** How long the process may be silent while the app waits for it. Default 120,000. */
  silentMs?: number;
}

/** The data with which the holding thread starts. */
export interface HolderData {
  holding: Holding;
  source: string;
  /** The app's working directory at the load. A restarted process resolves relative paths from it too. */
  directory: string;
  /** The options of `loadModel` that can be cloned. */
  options: Record<string, unknown>;
  /** Becomes 1 when the reply to `now` is on `port`. */
  flag: Int32Array;
  port: import("node:worker_threads").MessagePort;
}

/** Converts an error to the form in which it crosses. */
export function packError(error: unknown): CrossedError {
  const isOurs = error instanceof LlamaEtsError;
  return { code: isOurs ? error.code : "", message: messageOf(error) || (codeOf(error) ?? "") };
}

/** Restores an error of the engine's process. Its message contains the fix already. */
export function unpackError({ code, message }: CrossedError): LlamaEtsError {
  return new LlamaEtsError(code === "" ? "ERR_ENGINE_FAILED" : code, message);
}
