/** The addon, as `native/js/addon.cc` defines it, and how its errors become ours. */
import type { Device } from "../engine.js";
import { codeOf, type ErrorCode, LlamaEtsError, messageOf } from "../errors.js";
import type { TokenMetric } from "../sequences.js";
import { loadAddon } from "./load-addon.js";
import type { NativeContext } from "./native-context.js";
import type { NativeDiffusionContext } from "./native-diffusion.js";
import type { NativeModel, NativeSampling } from "./native-model.js";

/** The device that stands for attention of our own on a CPU that has it. */
export const SHARED_ATTENTION = "llama-ets";

/** What the addon says of attention of our own (`native/attention`). */
interface AttentionStatus {
  isThere: boolean;
  /** Why it is, or isn't. */
  reason: string;
  /** That finding out took. */
  milliseconds: number;
}

export interface AttentionShape {
  rows: number;
  heads: number;
  kvHeads: number;
  keySize: number;
  valueSize: number;
  cells: number;
  scale: number;
  softcap: number;
  /** Rows that are handled together, from 1 to 32. */
  together: number;
}

/** One operation of a graph, on random operands (`native/attention/attention_node.h`). */
export interface AttentionNode {
  rows: number;
  /** Heads for each key head. */
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

export interface Addon {
  engineRelease: string;
  openEngine(directory: string): void;
  devices(): Device[];
  /** The major version of the protocol that the engine and RPC servers speak. */
  rpcVersion: number;
  /**
   * Adds the devices of the RPC server at "host:port" to the engine's. The engine aborts the process
   * where it can't reach the server, or loses it later.
   */
  addRpcServer(endpoint: string): void;
  attention(): AttentionStatus;
  /** Whether an exclusive lock was taken on an open file; closing it, or dying, gives it back. */
  lockFile(descriptor: number): boolean;
  /** A child process that is killed with this thread, and its end noted (POSIX). */
  holdChild(pid: number): void;
  /** After its end. */
  releaseChild(pid: number): void;
  loadModel(options: {
    path: string;
    /** LoRA adapters, which all of its contexts have. */
    adapters?: readonly { path: string; scale: number }[];
    gpuLayers: number;
    /** Whether layers may lie on the devices of RPC servers alone, and not on this machine's GPU. */
    remoteOnly?: boolean;
    /**
     * Reads a diffusion model into memory under another architecture, so that keys and values can be
     * kept of its texts.
     */
    cachesDiffusion: boolean;
    /** Reads what the model is, and its vocabulary; no context can be opened of it. */
    withoutWeights?: boolean;
    onProgress(progress: number): void;
  }): {
    promise: Promise<NativeModel>;
    cancel(): void;
  };
  /** Throws what `loadModel` would reject with before it reads weights. */
  checkModel(path: string): void;
  Context: new () => NativeContext;
  DiffusionContext: new () => NativeDiffusionContext;
  philox(counter: number[], key: number[]): number[];
  drawToken(
    logits: Float32Array,
    sampling: NativeSampling,
    uniform: number,
    metrics?: readonly TokenMetric[],
    /** `drawnLogProb`: under what it was drawn from, the policy to its power. */
  ): TokenProbability & { drawnLogProb: number };
  scoreToken(
    logits: Float32Array,
    sampling: NativeSampling,
    token: number,
    metrics?: readonly TokenMetric[],
  ): TokenProbability;
  /**
   * The attention kernel by itself (`native/attention/attend.h`); null on a processor without it.
   * `order` are the cells in the order in which they are summed; by default, as they are numbered.
   */
  attend(
    shape: AttentionShape,
    queries: Float32Array,
    keys: Uint16Array,
    values: Uint16Array,
    mask: Uint16Array,
    order?: Int32Array,
  ): Float32Array | null;
  /** On the device of this name; `threads` 0 sets none. For tests, as `attend` and what follows. */
  attendInGraph(
    node: AttentionNode,
    device: string,
    threads: number,
  ): { out: Float32Array; isTaken: boolean; isOwn: boolean } | null;
  /** Why attention of our own would not be registered if these were expected, or "". */
  checkAttention(apiVersion: number, tolerance: number): string;
}

let loaded: Addon | undefined;

/** Loads the addon; llama.cpp itself is opened by `openEngine`. */
export function addon(): Addon {
  loaded ??= loadAddon() as Addon;
  return loaded;
}

/** Rethrows an error of the addon, which carries only a code, as a LlamaEtsError. */
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

/** Runs a call of the addon, at once or as a promise; its errors become LlamaEtsErrors. */
export async function call<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    return rethrow(error);
  }
}

/** As `call`, for what the addon answers at once. */
export function callNow<T>(work: () => T): T {
  try {
    return work();
  } catch (error) {
    return rethrow(error);
  }
}
