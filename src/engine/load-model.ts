/** Loads a model into this process, into a process of its own, or opens one on a server. */
import { checkKeys, checkOneOf, checkSignal } from "./check.js";
import type { Model } from "./engine.js";
import { LlamaEtsError } from "./errors.js";
import type { LoadModelOptions as LocalOptions } from "./local/load-model.js";
import { namesServer } from "./remote/address.js";
import type { ServerOptions } from "./remote/load-remote.js";

/** Where and how a model is loaded. Each option names its default. */
export interface LoadModelOptions extends LocalOptions {
  /**
   * Whether the engine runs in a process of its own. If llama.cpp then crashes, or the system kills the
   * process for its memory, running calls reject with `ERR_ENGINE_CRASHED`, and the next call starts the
   * engine again. docs/reliability.md lists the costs. Default false; true with `rpc`.
   */
  isolate?: boolean;
  /** Options for requests to a server, for a model that a server runs. See docs/remote.md. */
  server?: ServerOptions;
}

/** Options that don't apply to a model on a server, with the values that are harmless there. */
const LOCAL_OPTIONS: Readonly<Record<string, readonly unknown[]>> = {
  gpu: ["auto"],
  threads: ["auto"],
  isolate: [false],
  rpc: [],
  engine: [],
  attention: [],
  sampling: [],
  gpuLayers: [],
  loras: [],
  kv: [],
};

/**
 * Loads a GGUF model from a path, an `hf:` URI or the name of a bundled model (`bundledModels`), or
 * opens a model of a server that has OpenAI's API (`http://host:8000/v1#model`).
 *
 * @example
 * const model = await loadModel("model.gguf");
 * // …
 * await model.dispose();
 *
 * @throws LlamaEtsError `ERR_MODEL_NOT_FOUND`, `ERR_NOT_GGUF`, `ERR_MODEL_TRUNCATED`,
 *   `ERR_UNSUPPORTED_MODEL`, `ERR_DOWNLOAD`, `ERR_ENGINE_NOT_FOUND`, `ERR_ENGINE_MISMATCH`,
 *   `ERR_OUT_OF_MEMORY`, `ERR_INVALID_OPTION`; with `isolate`, also `ERR_ENGINE_CRASHED`; with
 *   `rpc`, also `ERR_RPC_SERVER`; for a model on a server `ERR_ENGINE_UNREACHABLE`,
 *   `ERR_ENGINE_REFUSED`, `ERR_ENGINE_ANSWER`
 */
export async function loadModel(source: string, options: LoadModelOptions = {}): Promise<Model> {
  if (typeof source === "string" && namesServer(source)) return loadServed(source, options);
  const { checkLoading, loadModel: loadLocal } = await import("./local/load-model.js");
  const isGiven = (name: string) =>
    typeof options === "object" && options !== null && name in options;
  if (!isGiven("isolate") && !isGiven("rpc")) return loadLocal(source, options);
  const { isolate = options.rpc !== undefined, ...others } = options;
  checkOneOf("isolate", isolate, [true, false]);
  if (!isolate && options.rpc !== undefined) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "`rpc` needs `isolate`, got `false`", {
      fix: "leave `isolate` out: llama.cpp ends its process when it loses a server",
    });
  }
  if (!isolate) return loadLocal(source, others);
  checkLoading(source, others);
  const { loadIsolated } = await import("./isolated/isolated-model.js");
  return loadIsolated(source, others);
}

async function loadServed(source: string, options: LoadModelOptions): Promise<Model> {
  const known = [...Object.keys(LOCAL_OPTIONS), "server", "signal", "onProgress", "onWarning"];
  checkKeys("options", options, known);
  for (const [name, harmless] of Object.entries(LOCAL_OPTIONS)) {
    const value = options[name as keyof LoadModelOptions];
    if (value === undefined || harmless.includes(value)) continue;
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `\`${name}\` is for a model that is loaded here, and ${source} is on a server`,
      { fix: "the server's own options" },
    );
  }
  const { signal, server } = options;
  if (signal !== undefined) checkSignal("signal", signal);
  const { loadRemote } = await import("./remote/load-remote.js");
  return loadRemote(source, { ...(signal && { signal }), ...(server && { server }) });
}
