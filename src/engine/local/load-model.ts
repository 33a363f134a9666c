import { availableParallelism } from "node:os";
import { resolveBundledName } from "../bundled-models.js";
import { checkInteger, checkKeys, checkOneOf, checkString } from "../check.js";
import type { Model } from "../engine.js";
import { codeOf, LlamaEtsError } from "../errors.js";
import { DEFAULT_KV_TYPE, KV_TYPES, type KvType } from "../kv-types.js";
import type { LoadProgress } from "../load-progress.js";
import { isRemote, resolveModelPath } from "../model-path.js";
import type { SamplingPlace } from "./context.js";
import { isProven } from "./fork-proofs.js";
import { deviceFor, gpusAmong } from "./free-memory.js";
import { loadNative } from "./load-native.js";
import type { GpuChoice } from "./locate-engine.js";
import { LocalModel } from "./model.js";
import { architectureOf } from "./model-shape.js";
import {
  attentionFor,
  checkLoras,
  findAdapters,
  type LoraOptions,
  refuseAdapters,
  refuseKvType,
} from "./model-variants.js";
import { addon } from "./native.js";
import type { NativeModelInfo } from "./native-model.js";
import { openEngine } from "./open-engine.js";
import { type AttentionChoice, chooseAttention, refuseMissingAttention } from "./own-attention.js";
import { isKnownToFork, keepsState } from "./recurrent-state.js";
import { addRpcServers, checkRpcServers } from "./rpc-servers.js";
import { refuseUnproven, refuseUnsupported } from "./supported.js";
import { chooseThreads } from "./threads.js";

export interface LoadModelOptions {
  /** Which engine to run on. Default "auto": a GPU where node-llama-cpp finds a working one. */
  gpu?: GpuChoice;
  /**
   * Directory of an engine of your own, as `npx llama-ets build-engine` prints it. Default: the
   * environment variable `LLAMA_ETS_ENGINE`, else the one that node-llama-cpp brings.
   */
  engine?: string;
  /**
   * Who computes attention on a CPU. "auto" (default): our own kernel where there is one (x86-64 with
   * AVX2, under Linux) and it is the faster one, else llama.cpp; "engine": llama.cpp; "own": our own,
   * or an error that says why there is none. The environment variable `LLAMA_ETS_ATTENTION` is the
   * default. Each model has its own; denoising and classification are llama.cpp's always.
   */
  attention?: AttentionChoice;
  /**
   * Where tokens are drawn. "host" (default): rows of logits are copied to the machine's memory.
   * "device": rows stay where they are computed, which sums them; of each draw 1,024 logits are copied.
   * The law is the same, and so are the tokens but where rounding turns a draw. Policies that cut off
   * tokens (`topK`, `topP`, `minP`, allowed tokens), what measures entropies, and recurrent and
   * diffusion models are drawn on the host all the same. It was not measured on a GPU yet, and gains
   * nothing on a CPU (docs/benchmarks.md).
   */
  sampling?: SamplingPlace;
  /**
   * Layers kept on the GPU: the output, then the last ones. Default: all, where there is a GPU; with
   * 0 nothing is computed there.
   */
  gpuLayers?: number;
  /**
   * LoRA adapters in GGUF, which are added to the weights: files as of models, each with a scale from
   * -1000 to 1000 (default 1).
   */
  loras?: readonly LoraOptions[];
  /**
   * RPC servers of llama.cpp as "host:port", 1 to 16: the model's layers lie on their devices, and on
   * this machine's GPU. Needs an engine of your own (`npx llama-ets build-engine --rpc`) and runs it in
   * a process of its own, as `isolate` does: a server that is lost is then `ERR_RPC_SERVER`. A server
   * serves one process at a time, and whoever reaches it may use it: keep it in a network of your own.
   */
  rpc?: readonly string[];
  /**
   * Type of cached keys and values: f16 (default), f32, bf16, or quantized: q8_0 takes about half of
   * f16's memory, q4_0 a bit more than a quarter. Quantized ones are read by llama.cpp's flash
   * attention alone, and are refused under importance sampling.
   */
  kv?: KvType;
  /**
   * Threads for the CPU's share of the work, at most one a core: with more, they wait for each other
   * for minutes. Default "auto": measured at load.
   */
  threads?: number | "auto";
  onProgress?: (progress: LoadProgress) => void;
  /** Told of what is done otherwise than asked for: threads beyond the cores, layers on no GPU. */
  onWarning?: (message: string) => void;
  /** Aborting rejects with the signal's reason. */
  signal?: AbortSignal;
}

const OPTIONS = [
  ...["gpu", "engine", "attention", "sampling", "gpuLayers", "threads", "loras", "kv", "rpc"],
  ...["isolate", "onProgress", "onWarning", "signal"], // `isolate` is read before
];

/**
 * Loads a GGUF model from a path, a `hf:` URI or a bundled model's name (`bundledModels`).
 *
 * @example
 * const model = await loadModel("model.gguf");
 * // …
 * await model.dispose();
 *
 * @throws LlamaEtsError `ERR_MODEL_NOT_FOUND`, `ERR_NOT_GGUF`, `ERR_MODEL_TRUNCATED`,
 *   `ERR_UNSUPPORTED_MODEL`, `ERR_DOWNLOAD`, `ERR_ENGINE_NOT_FOUND`, `ERR_ENGINE_MISMATCH`,
 *   `ERR_OUT_OF_MEMORY`, `ERR_INVALID_OPTION`
 */
export function loadModel(source: string, options: LoadModelOptions = {}): Promise<Model> {
  return load(source, options, "run");
}

/**
 * As `loadModel`, for the probe that proves forks: takes hybrids of which none were proven.
 *
 * @internal
 */
export function loadToProve(source: string, options: LoadModelOptions = {}): Promise<LocalModel> {
  return load(source, options, "prove");
}

/** Throws `ERR_INVALID_OPTION` for what loads no model on any machine. */
export function checkLoading(source: string, options: LoadModelOptions) {
  checkString("source", source);
  checkKeys("options", options, OPTIONS);
  const { gpu = "auto", onProgress = () => {}, onWarning = () => {}, signal } = options;
  const { threads = "auto" } = options;
  checkOneOf("gpu", gpu, ["auto", "cuda", "vulkan", "metal", false]);
  if (options.engine !== undefined) checkString("engine", options.engine);
  const chosen = chooseAttention(options.attention);
  const kvType = checkOneOf("kv", options.kv ?? DEFAULT_KV_TYPE, KV_TYPES);
  const attention = attentionFor(kvType, chosen);
  const loras = checkLoras(options.loras ?? []);
  const sampling = checkOneOf("sampling", options.sampling ?? "host", ["host", "device"]);
  const rpc = options.rpc === undefined ? [] : checkRpcServers("rpc", options.rpc);
  if (options.gpuLayers !== undefined) checkInteger("gpuLayers", options.gpuLayers, 0, 2 ** 16);
  if (threads !== "auto") checkInteger("threads", threads, 1, 512);
  if (typeof onProgress !== "function") {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "Expected `onProgress` to be a function");
  }
  if (typeof onWarning !== "function") {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "Expected `onWarning` to be a function");
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "Expected `signal` to be an AbortSignal");
  }
  return { gpu, onProgress, onWarning, signal, threads, kvType, attention, loras, sampling, rpc };
}

async function load(
  source: string,
  options: LoadModelOptions,
  purpose: "run" | "prove",
): Promise<LocalModel> {
  const checked = checkLoading(source, options);
  const { gpu, onProgress, onWarning, signal, kvType, attention, loras, sampling, rpc } = checked;
  let { threads } = checked;
  signal?.throwIfAborted();
  const cores = availableParallelism();
  if (threads !== "auto" && threads > cores) {
    onWarning(`${threads} threads are more than this machine's ${cores} cores: ${cores} are used`);
    threads = cores;
  }

  const named = resolveBundledName(source);
  const find = () => resolveModelPath(named, onProgress, signal);
  // A download waits until it is known that this machine has what was asked for.
  const there = isRemote(named) ? undefined : await find();
  const adapters = await findAdapters(loras, onProgress, signal);
  const engine = await openEngine(gpu, options.engine);
  refuseMissingAttention(attention);
  await addRpcServers(rpc, { signal });
  const file = there ?? (await find());
  const remoteOnly = rpc.length > 0 && gpu === false;
  const isOnCpu = rpc.length === 0 && (engine.gpu === false || gpu === false);
  if (isOnCpu && (options.gpuLayers ?? 0) > 0) {
    const why = gpu === false ? "none was asked for" : "there is none";
    onWarning(`\`gpuLayers\` keeps no layers on a GPU: ${why}`);
  }
  const gpuLayers = isOnCpu ? 0 : (options.gpuLayers ?? -1);
  const native = await loadNative(file, { gpuLayers, remoteOnly, adapters }, onProgress, signal);
  try {
    const info = native.info();
    const metadata = native.metadata();
    refuseUnsupported(file, info, metadata);
    if (adapters.length > 0) refuseAdapters(info);
    if (kvType !== DEFAULT_KV_TYPE) refuseKvType(kvType, info, metadata);
    const devices = addon().devices();
    // A server serves one process: none is left for one that proves.
    const isOnGpu = rpc.length === 0 && gpuLayers !== 0 && gpusAmong(devices).length > 0;
    const proof = { file, release: engine.release, device: deviceFor(gpuLayers, devices) };
    const isKnown = !keepsState(info) || isKnownToFork(architectureOf({ metadata }));
    const mayHash = !isKnown || isOnGpu;
    const forksProven = canFork(info) && (await isProven(proof, { mayHash, signal }));
    if (!isKnown && !forksProven && purpose === "run") refuseUnproven(file, metadata);
    const count = threads === "auto" ? await chooseThreads(native, info) : threads;
    signal?.throwIfAborted();
    const model = new LocalModel(native, {
      path: file,
      engine,
      threads: count,
      gpuLayers,
      attention: attention.choice,
      sampling,
      proof,
      forksProven,
      adapters,
      kvType,
      loadCaching: () => loadNative(file, { gpuLayers, remoteOnly, cachesDiffusion: true }),
    });
    if (isOnGpu && canFork(info) && !forksProven && purpose === "run") {
      await proveOnGpu(model, isKnown, onWarning);
      signal?.throwIfAborted();
    }
    return model;
  } catch (error) {
    native.close();
    throw error;
  }
}

/** Texts of others are not forked: they are filled in, or judged. */
function canFork({ isDiffusion, labels }: NativeModelInfo): boolean {
  return !isDiffusion && labels.length === 0;
}

/** The first load of a file on a GPU: its kernels are others than those that were tested. */
async function proveOnGpu(
  model: LocalModel,
  isKnown: boolean,
  onWarning: (message: string) => void,
): Promise<void> {
  try {
    const { outcome, reason } = await model.proveForks();
    if (outcome === "failed" && isKnown) {
      onWarning(`${model.path} forks on a CPU, but not well on this GPU: ${reason}`);
    } else if (outcome === "failed") {
      throw new LlamaEtsError(
        "ERR_UNSUPPORTED_MODEL",
        `${model.path} can't be used on this GPU: ${reason}`,
        { fix: "gpu: false (--gpu off), or another engine" },
      );
    }
  } catch (error) {
    if (codeOf(error) !== "ERR_OUT_OF_MEMORY") {
      await model.dispose();
      throw error;
    }
    onWarning(`${model.path}: too little memory to prove its forks on this GPU`);
  }
}
