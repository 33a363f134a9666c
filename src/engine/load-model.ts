/** Loads models: into this process, or into one of their own. */
import { checkOneOf } from "./check.js";
import type { Model } from "./engine.js";
import type { LoadModelOptions as LocalOptions } from "./local/load-model.js";

export interface LoadModelOptions extends LocalOptions {
  /**
   * Whether the engine runs in a process of its own: a crash of llama.cpp, or the system's end of a
   * process that took all memory, then rejects what runs with `ERR_ENGINE_CRASHED`, and the next call
   * starts the engine again. docs/reliability.md has what it costs. Default false.
   */
  isolate?: boolean;
}

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
 *   `ERR_OUT_OF_MEMORY`, `ERR_INVALID_OPTION`; with `isolate`, also `ERR_ENGINE_CRASHED`
 */
export async function loadModel(source: string, options: LoadModelOptions = {}): Promise<Model> {
  const { checkLoading, loadModel: loadLocal } = await import("./local/load-model.js");
  if (typeof options !== "object" || options === null || !("isolate" in options)) {
    return loadLocal(source, options);
  }
  const { isolate = false, ...others } = options;
  checkOneOf("isolate", isolate, [true, false]);
  if (!isolate) return loadLocal(source, others);
  checkLoading(source, others);
  const { loadIsolated } = await import("./isolated/isolated-model.js");
  return loadIsolated(source, others);
}
