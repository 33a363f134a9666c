import { availableParallelism } from "node:os";
import { resolveBundledName } from "../bundled-models.js";
import {
  checkFunction,
  checkInteger,
  checkKeys,
  checkOneOf,
  checkSignal,
  checkString,
} from "../check.js";
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
  /** Which kind of engine to use. Default "auto": a GPU if node-llama-cpp finds a working one. */
  gpu?: GpuChoice;
  /**
   * Directory of an engine of your own, which `npx llama-ets build-engine` prints. Default: the
   * environment variable `LLAMA_ETS_ENGINE`, or else the engine that comes with node-llama-cpp.
   */
  engine?: string;
  /**
   * Which kernel computes attention on a CPU. "auto": this package's own kernel if it is available
   * (x86-64 with AVX2, on Linux) and faster, otherwise llama.cpp's. "engine": llama.cpp's. "own": this
   * package's own, or an error that says why it isn't available. Default: the environment variable
   * `LLAMA_ETS_ATTENTION`, or else "auto". Each model can have another choice. Denoising and
   * classification always use llama.cpp's.
   */
  attention?: AttentionChoice;
  /**
   * Where tokens are drawn. "host" (default): rows of logits are copied to the machine's memory.
   * "device": rows stay on the device that computes them, which also sums their probabilities. Only
   * 1,024 logits are copied for each draw. The distribution is the same, and the tokens are the same
   * except where rounding changes a draw. The host still draws for policies that cut off tokens (`topK`,
   * `topP`, `minP`, allowed tokens), for runs that measure entropies, and for recurrent and diffusion
   * models. "device" has not been measured on a GPU yet, and gains nothing on a CPU
   * (docs/benchmarks.md).
   */
  sampling?: SamplingPlace;
  /**
   * The number of layers on the GPU, counted from the output backwards. Default: all, if there is a GPU.
   * With 0 the GPU computes nothing.
   */
  gpuLayers?: number;
  /**
   * LoRA adapters in GGUF, which are added to the weights. Each is named like a model, and has a scale
   * from -1000 to 1000 (default 1).
   */
  loras?: readonly LoraOptions[];
  /**
   * From 1 to 16 RPC servers of llama.cpp, as "host:port". The model's layers are distributed over their
   * devices and this machine's GPU. This needs an engine of your own (`npx llama-ets build-engine --rpc`),
   * which runs in a separate process, as with `isolate`. The loss of a server is then an
   * `ERR_RPC_SERVER`. A server serves one process at a time. It has no access control, so keep it in a
   * private network.
   */
  rpc?: readonly string[];
  /**
   * Type of cached keys and values: f16 (default), f32, bf16, or a quantized type. q8_0 takes about half
   * of the memory of f16, q4_0 a bit more than a quarter. Quantized types need llama.cpp's flash
   * attention, and importance sampling refuses them.
   */
  kv?: KvType;
  /**
   * Threads for the CPU's share of the work, at most one per core: more threads would wait for each
   * other for minutes. Default "auto": the number is measured at load.
   */
  threads?: number | "auto";
  onProgress?: (progress: LoadProgress) => void;
  /** Called if an option can't be applied as given: more threads than cores, GPU layers without a GPU. */
  onWarning?: (message: string) => void;
  /** Aborts loading, which then rejects with the signal's reason. */
  signal?: AbortSignal;
}

const OPTIONS = [
  "gpu",
  "engine",
  "attention",
  "sampling",
  "gpuLayers",
  "threads",
  "loras",
  "kv",
  "rpc",
  "isolate",
  "onProgress",
  "onWarning",
  "signal", // the caller has read `isolate`
];

/**
 * Loads a GGUF model from a path, an `hf:` URI or the name of a bundled model (`bundledModels`).
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
 * Like `loadModel`, but also loads hybrid models whose forks were not proven. The probe that proves
 * forks uses it.
 *
 * @internal
 */
export function loadToProve(source: string, options: LoadModelOptions = {}): Promise<LocalModel> {
  return load(source, options, "prove");
}

/** Checks options as far as they don't depend on the machine. Throws `ERR_INVALID_OPTION`. */
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
  checkFunction("onProgress", onProgress);
  checkFunction("onWarning", onWarning);
  if (signal !== undefined) checkSignal("signal", signal);
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
  // A download starts only after the check that this machine has the requested engine.
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
    // RPC servers are excluded: each serves one process only, so no second process could prove forks.
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

/** Whether a model's texts are forked. Those of diffusion models and classifiers never are. */
function canFork({ isDiffusion, labels }: NativeModelInfo): boolean {
  return !isDiffusion && labels.length === 0;
}

/** Proves forks when a file is first loaded on a GPU, whose kernels this package's tests didn't cover. */
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
