import { availableParallelism } from "node:os";
import path from "node:path";
import { resolveBundledName } from "../bundled-models.js";
import { checkInteger, checkKeys, checkOneOf, checkString } from "../check.js";
import type { Model } from "../engine.js";
import { codeOf, LlamaEtsError, messageOf } from "../errors.js";
import type { LoadProgress } from "../load-progress.js";
import { isRemote, resolveModelPath } from "../model-path.js";
import type { SamplingPlace } from "./context.js";
import { gpusAmong } from "./free-memory.js";
import {
  type EngineLocation,
  type GpuChoice,
  locateEngine,
  refuseWithoutDevice,
} from "./locate-engine.js";
import { LocalModel } from "./model.js";
import { addon, rethrow } from "./native.js";
import type { NativeModel, NativeModelInfo } from "./native-model.js";
import { type AttentionChoice, chooseAttention, refuseMissingAttention } from "./own-attention.js";
import { keepsState, whyNotForked } from "./recurrent-state.js";
import { chooseThreads } from "./threads.js";

export interface LoadModelOptions {
  /** Which engine to run on. Default "auto": a GPU where node-llama-cpp finds a working one. */
  gpu?: GpuChoice;
  /**
   * Directory of an engine of your own, as `npm run build:engine` prints it. Default: the
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
  ...["gpu", "engine", "attention", "sampling", "gpuLayers", "threads"],
  ...["onProgress", "onWarning", "signal"],
];

/** One engine a process: the first model loaded decides. */
let opened: EngineLocation | undefined;

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
export async function loadModel(source: string, options: LoadModelOptions = {}): Promise<Model> {
  checkString("source", source);
  checkKeys("options", options, OPTIONS);
  const { gpu = "auto", onProgress = () => {}, onWarning = () => {}, signal } = options;
  let { threads = "auto" } = options;
  checkOneOf("gpu", gpu, ["auto", "cuda", "vulkan", "metal", false]);
  if (options.engine !== undefined) checkString("engine", options.engine);
  const attention = chooseAttention(options.attention);
  const sampling = checkOneOf("sampling", options.sampling ?? "host", ["host", "device"]);
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
  const engine = await openEngine(gpu, options.engine);
  refuseMissingAttention(attention);
  const file = there ?? (await find());
  const isOnCpu = engine.gpu === false || gpu === false;
  if (isOnCpu && (options.gpuLayers ?? 0) > 0) {
    const why = gpu === false ? "none was asked for" : "there is none";
    onWarning(`\`gpuLayers\` keeps no layers on a GPU: ${why}`);
  }
  const gpuLayers = isOnCpu ? 0 : (options.gpuLayers ?? -1);
  const native = await loadNative(file, { gpuLayers }, onProgress, signal);
  try {
    const info = native.info();
    refuseUnsupported(file, info, native.metadata());
    const count = threads === "auto" ? await chooseThreads(native, info) : threads;
    signal?.throwIfAborted();
    return new LocalModel(native, {
      ...{ path: file, engine, threads: count, gpuLayers, attention: attention.choice, sampling },
      loadCaching: () => loadNative(file, { gpuLayers, cachesDiffusion: true }),
    });
  } catch (error) {
    native.close();
    throw error;
  }
}

/**
 * Opens the engine of the first call's choice; later calls share it, and may not name another
 * directory. Throws `ERR_ENGINE_MISMATCH` when they do.
 */
export async function openEngine(gpu: GpuChoice, directory?: string): Promise<EngineLocation> {
  if (opened !== undefined) {
    if (directory !== undefined && path.resolve(directory) !== opened.directory) {
      throw new LlamaEtsError(
        "ERR_ENGINE_MISMATCH",
        `The engine in ${opened.directory} is open; one process can't also use ${directory}`,
        { fix: "the same `engine` for all models, or another process" },
      );
    }
    if (typeof gpu === "string" && gpu !== "auto" && gpu !== opened.gpu) {
      throw new LlamaEtsError(
        "ERR_ENGINE_MISMATCH",
        `The engine that is open runs on ${opened.gpu || "the CPU"}; one process can't also use ${gpu}`,
        { fix: "the same `gpu` for the first model loaded, or another process" },
      );
    }
    return opened;
  }
  const location = await locateEngine(gpu, directory);
  try {
    addon().openEngine(location.directory);
  } catch (error) {
    rethrow(error, { ERR_ENGINE_NOT_FOUND: "npm ci, then `npx llama-ets doctor`" });
  }
  // What it was built for is one thing, what it finds here another.
  const hasGpu = gpusAmong(addon().devices()).length > 0;
  opened = hasGpu ? location : { ...location, gpu: false };
  if (!hasGpu) refuseWithoutDevice(gpu, location.directory);
  return opened;
}

async function loadNative(
  file: string,
  { gpuLayers, cachesDiffusion = false }: { gpuLayers: number; cachesDiffusion?: boolean },
  onProgress: (progress: LoadProgress) => void = () => {},
  signal?: AbortSignal,
): Promise<NativeModel> {
  let failure: { error: unknown } | undefined;
  let reported = -1;
  // The addon's calls may be late, even after its promise; an exception must not reach it.
  const report = (progress: number) => {
    if (progress <= reported) return;
    reported = progress;
    try {
      onProgress({ phase: "load", progress });
    } catch (error) {
      failure ??= { error };
      loading.cancel();
    }
  };
  const loading = addon().loadModel({
    path: file,
    gpuLayers,
    cachesDiffusion,
    onProgress: report,
  });
  report(0);
  signal?.addEventListener("abort", loading.cancel, { once: true });
  try {
    const model = await loading.promise;
    report(1);
    if (failure === undefined) return model;
    model.close();
    throw failure.error;
  } catch (error) {
    reported = 1; // nothing more
    signal?.throwIfAborted();
    if (failure !== undefined) throw failure.error;
    const refusal = codeOf(error);
    if (refusal === undefined) throw error;
    const reason = messageOf(error);
    const fix =
      refusal === "ERR_MODEL_TRUNCATED" ? "download it again" : firstPartFor(file, reason);
    throw new LlamaEtsError(
      refusal as LlamaEtsError["code"],
      `${file} could not be loaded: ${reason}`,
      { cause: error, ...(fix !== undefined && { fix }) },
    );
  } finally {
    signal?.removeEventListener("abort", loading.cancel);
  }
}

/** What to give where a later part of a split model was given. */
function firstPartFor(file: string, reason: string): string | undefined {
  if (!/^It is part \d+ of \d+ /.test(reason)) return undefined;
  const name = path.basename(file);
  const first = name.replace(/-\d{5}(-of-\d{5}\.gguf)$/i, "-00001$1");
  return first === name ? "its first part" : `give ${path.join(path.dirname(file), first)}`;
}

/** Refuses, by name, what can't be sampled from by forking cached texts. */
function refuseUnsupported(
  file: string,
  info: NativeModelInfo,
  metadata: Record<string, string>,
): void {
  const architecture = metadata["general.architecture"] ?? "unknown";
  const reason = unsupportedReason(info, metadata, architecture);
  if (reason === undefined) return;
  throw new LlamaEtsError(
    "ERR_UNSUPPORTED_MODEL",
    `${file} can't be used: its architecture \`${architecture}\` ${reason}`,
    {
      fix: "a decoder-only transformer, such as Qwen3, Llama or Gemma, or a hybrid such as Qwen3.5 or LFM2",
    },
  );
}

/** None, and -1: what llama.cpp's tools write where nothing was said. */
const NO_POOLING = ["0", "-1", "4294967295"];

function unsupportedReason(
  info: NativeModelInfo,
  metadata: Record<string, string>,
  architecture: string,
): string | undefined {
  if (keepsState(info)) {
    const reason = whyNotForked(architecture);
    if (reason !== undefined) return reason;
  }
  if (info.isDiffusion) {
    return info.mask === null
      ? "is a diffusion model, but the file names no mask token"
      : undefined;
  }
  if (info.hasEncoder && info.hasDecoder) return "has an encoder and a decoder";
  const pooling = metadata[`${architecture}.pooling_type`];
  const causal = metadata[`${architecture}.attention.causal`];
  if (info.labels.length > 0) return undefined; // judges texts
  const pools = pooling !== undefined && !NO_POOLING.includes(pooling);
  if (info.hasEncoder || causal === "false" || pools) {
    return "makes embeddings or scores, not text";
  }
  if (info.vocabSize === 0) return "has no vocabulary";
  return undefined;
}
