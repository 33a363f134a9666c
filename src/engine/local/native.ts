/** The addon, as `native/js/addon.cc` defines it. Its errors are converted to `LlamaEtsError`. */
import type { Device } from "../engine.js";
import { codeOf, type ErrorCode, LlamaEtsError, messageOf } from "../errors.js";
import type { TokenMetric } from "../sequences.js";
import { loadAddon } from "./load-addon.js";
import type { NativeContext } from "./native-context.js";
import type { NativeDiffusionContext } from "./native-diffusion.js";
import type { NativeModel, NativeSampling } from "./native-model.js";

/** The name of the device that represents this package's own attention. */
export const SHARED_ATTENTION = "llama-ets";

/** Whether this package's own attention (`native/attention`) is available. */
interface AttentionStatus {
  isThere: boolean;
  /** Why it is available, or why not. */
  reason: string;
  /** Time of the check. */
  milliseconds: number;
}

/** The sizes and the parameters of one call of the attention kernel. */
export interface AttentionShape {
  rows: number;
  heads: number;
  kvHeads: number;
  keySize: number;
  valueSize: number;
  cells: number;
  scale: number;
  softcap: number;
  /** Rows that are processed together, from 1 to 32. */
  together: number;
}

/** One operation of a graph, on random operands (`native/attention/attention_node.h`). */
export interface AttentionNode {
  rows: number;
  /** Query heads for each key head. */
  group: number;
  kvHeads: number;
  keySize: number;
  valueSize: number;
  cells: number;
  softcap: number;
  bias: number;
  sinks: boolean;
  operand: number;
}

interface TokenProbability {
  token: number;
  logProb: number;
  rawLogProb: number;
  entropy?: number;
  selfCertainty?: number;
}

/** The functions and classes of the addon. */
export interface Addon {
  engineRelease: string;
  openEngine(directory: string): void;
  devices(): Device[];
  /** The major version of the protocol that the engine and RPC servers speak. */
  rpcVersion: number;
  /**
   * Adds the devices of the RPC server at "host:port" to the engine. The engine aborts the process if it
   * can't reach the server, or if it loses it later.
   */
  addRpcServer(endpoint: string): void;
  attention(): AttentionStatus;
  /** Tries to lock an open file exclusively. Closing the file, or the process's end, unlocks it. */
  lockFile(descriptor: number): boolean;
  /** Kills this child process when the current thread ends (POSIX). */
  holdChild(pid: number): void;
  /** Undoes `holdChild` after the child's end. */
  releaseChild(pid: number): void;
  loadModel(options: {
    path: string;
    /** LoRA adapters, which all contexts of the model use. */
    adapters?: readonly { path: string; scale: number }[];
    gpuLayers: number;
    /** Whether layers may only be on the devices of RPC servers, not on this machine's GPU. */
    remoteOnly?: boolean;
    /**
     * Whether to load a diffusion model under another architecture, so that the keys and values of its
     * texts can be cached.
     */
    cachesDiffusion: boolean;
    /** Reads only the header and the vocabulary. Such a model can't open contexts. */
    withoutWeights?: boolean;
    onProgress(progress: number): void;
  }): {
    promise: Promise<NativeModel>;
    cancel(): void;
  };
  /** Throws the error that `loadModel` would reject with, as far as it is known before weights are read. */
  checkModel(path: string): void;
  Context: new () => NativeContext;
  DiffusionContext: new () => NativeDiffusionContext;
  philox(counter: number[], key: number[]): number[];
  drawToken(
    logits: Float32Array,
    sampling: NativeSampling,
    uniform: number,
    metrics?: readonly TokenMetric[],
    /** `drawnLogProb` is the log-probability under the power of the policy, from which it was drawn. */
  ): TokenProbability & { drawnLogProb: number };
  scoreToken(
    logits: Float32Array,
    sampling: NativeSampling,
    token: number,
    metrics?: readonly TokenMetric[],
  ): TokenProbability;
  /**
   * Runs the attention kernel alone, for tests (`native/attention/attend.h`). Returns null if the
   * processor doesn't support it. `order` lists the cells in the order of summation; by default it is
   * ascending.
   */
  attend(
    shape: AttentionShape,
    queries: Float32Array,
    keys: Uint16Array,
    values: Uint16Array,
    mask: Uint16Array,
    order?: Int32Array,
  ): Float32Array | null;
  /** Runs a node on the device of this name, for tests. `threads` 0 keeps the default number. */
  attendInGraph(
    node: AttentionNode,
    device: string,
    threads: number,
  ): { out: Float32Array; isTaken: boolean; isOwn: boolean } | null;
  /** For tests: why the own attention would not be registered if these were expected; "" if it would. */
  checkAttention(apiVersion: number, tolerance: number): string;
}

let loaded: Addon | undefined;

/** Loads the addon. `openEngine` then opens llama.cpp itself. */
export function addon(): Addon {
  loaded ??= loadAddon() as Addon;
  return loaded;
}

/** Rethrows an error of the addon, which has a message and a code, as a LlamaEtsError. */
export function rethrow(error: unknown, fixes: Partial<Record<ErrorCode, string>> = {}): never {
  const code = codeOf(error);
  if (error instanceof LlamaEtsError || code === undefined || !code.startsWith("ERR_")) throw error;
  const fix = fixes[code as ErrorCode];
  throw new LlamaEtsError(
    code as ErrorCode,
    messageOf(error),
    fix === undefined ? { cause: error } : { cause: error, fix },
  );
}

/** Runs a synchronous or asynchronous call of the addon, and converts its errors to LlamaEtsErrors. */
export async function call<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    return rethrow(error);
  }
}

/** Like `call`, for synchronous calls. */
export function callNow<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    return rethrow(error);
  }
}
