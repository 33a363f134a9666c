/**
 * What crosses between the app's thread, the thread that holds the engine's process, and that process.
 * One call is a whole step of many texts; calls of one turn of the event loop cross together.
 */
import type { Abilities, Limits } from "../engine.js";
import type { ErrorCode } from "../errors.js";
import { codeOf, LlamaEtsError, messageOf } from "../errors.js";
import type { LoadProgress } from "../load-progress.js";
import type { NativeModelInfo } from "../local/native-model.js";

/** The object that a call is of: a number of the engine's process; 0 is the model. */
export type Ref = number;
export const MODEL: Ref = 0;

export interface Call {
  /** Null where nobody waits for a reply. */
  id: number | null;
  /** Which process the object is of: they are counted from 1. Null: whichever there is. */
  process: number | null;
  ref: Ref;
  method: string;
  args: readonly unknown[];
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

export type Reply = { id: number; process: number; seen?: Shown } & (
  | { value: unknown }
  | { error: CrossedError }
);

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

/** What the holding thread begins with. */
export interface HolderData {
  source: string;
  /** Those of `loadModel` that can be cloned. */
  options: Record<string, unknown>;
  /** Turns from 0 to 1 when the reply to `now` is on `port`. */
  flag: Int32Array;
  port: import("node:worker_threads").MessagePort;
}

const REF = "\u0000ref";

/** Plain data with references in the place of objects that stay where they are. */
export function pack(value: unknown, refOf: (value: object) => Ref | undefined): unknown {
  if (typeof value !== "object" || value === null) return value;
  const ref = refOf(value);
  if (ref !== undefined) return { [REF]: ref };
  if (ArrayBuffer.isView(value)) return trimmed(value);
  if (Array.isArray(value)) return value.map((one) => pack(one, refOf));
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, pack(one, refOf)]));
}

export function unpack(value: unknown, objectOf: (ref: Ref) => unknown): unknown {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  if (Array.isArray(value)) return value.map((one) => unpack(one, objectOf));
  if (REF in value) return objectOf(value[REF] as Ref);
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, unpack(one, objectOf)]),
  );
}

/** A view of a larger buffer would take all of it along. */
function trimmed(view: ArrayBufferView): ArrayBufferView {
  if (view.byteLength === view.buffer.byteLength || view instanceof DataView) return view;
  return (view as Int32Array).slice();
}

export function packError(error: unknown): CrossedError {
  const isOurs = error instanceof LlamaEtsError;
  return { code: isOurs ? error.code : "", message: messageOf(error) || (codeOf(error) ?? "") };
}

/** The message holds the fix already. */
export function unpackError({ code, message }: CrossedError): LlamaEtsError {
  return new LlamaEtsError(code === "" ? "ERR_ENGINE_FAILED" : code, message);
}
