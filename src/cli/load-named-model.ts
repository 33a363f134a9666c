import { loadModel } from "../engine/load-model.js";
import type { GpuChoice } from "../engine/locate-engine.js";
import type { Model } from "../engine/model.js";
import type { ModelFlags } from "./model-options.js";
import { progressBar } from "./progress-bar.js";

/** Loads the model that the options name, with a progress bar. */
export async function loadNamedModel(flags: ModelFlags, signal?: AbortSignal): Promise<Model> {
  const bar = progressBar();
  try {
    return await loadModel(flags.model, {
      gpu: flags.gpu === "off" || flags.gpu === "false" ? false : (flags.gpu as GpuChoice),
      threads: flags.threads,
      ...(flags.engine !== undefined && { engine: flags.engine }),
      ...(flags.gpuLayers !== undefined && { gpuLayers: flags.gpuLayers }),
      ...(signal && { signal }),
      onProgress: ({ phase, progress, total }) => {
        const what = phase === "download" ? "Downloading" : "Loading";
        const size = total === undefined ? "" : ` of ${(total / 2 ** 30).toFixed(1)} GiB`;
        bar.show(progress, `${what} ${flags.model}${size}`);
      },
    });
  } finally {
    bar.close();
  }
}
