import { BUNDLED_PROPOSAL, DEFAULT_MODEL } from "../engine/bundled-models.js";
import { LlamaEtsError } from "../engine/errors.js";
import { loadModel } from "../engine/local/load-model.js";
import type { GpuChoice } from "../engine/local/locate-engine.js";
import type { Model } from "../engine/local/model.js";
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
      ...(flags.attention !== undefined && { attention: flags.attention }),
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

/**
 * The model that draws the rollouts of ETS-IS: the one named, or the bundled model's; a diffusion
 * model draws its own.
 */
export async function loadProposal(
  flags: ModelFlags & { proposal?: string },
  model: Model,
  signal?: AbortSignal,
): Promise<Model> {
  const bundled = flags.model === DEFAULT_MODEL ? BUNDLED_PROPOSAL : undefined;
  const source = flags.proposal ?? bundled;
  if (source !== undefined) return loadNamedModel({ ...flags, model: source }, signal);
  if (model.kind === "diffusion") return model;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    "Expected --proposal, the model that draws the rollouts",
    { fix: "a smaller model of the same family" },
  );
}
