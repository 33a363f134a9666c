/** Models that are not in memory: what planning asks of one, read from its file or known beforehand. */
import type { Model } from "./engine.js";
import { LlamaEtsError } from "./errors.js";
import type { GpuChoice } from "./local/locate-engine.js";
import type { KnownModel } from "./popular-models.js";
import { namesServer } from "./remote/address.js";

/** Where a model would be loaded. */
export interface PlaceOptions {
  /** As of `loadModel`. */
  gpu?: GpuChoice;
  engine?: string;
  gpuLayers?: number;
}

export interface UnloadedModel
  extends Pick<Model, "path" | "kind" | "info" | "can" | "limits" | "checkExtends">,
    Pick<Model, "memoryOf" | "memoryOfDenoiser" | "matchTokenizer"> {
  /** What would be free for contexts once the weights are in memory, when the model was read. */
  freeMemory(): ReturnType<Model["freeMemory"]>;
  readonly architecture: string;
  /** Equal for models whose tokens and their ends are the same, padding aside. */
  readonly tokenizer: string;
  /** Why it can't be used, although it can be read. */
  readonly refusal?: string;
  /** Tokens a second of one text; undefined where nothing is known. */
  readonly speed?: Speed;
}

/** How fast one text is written. */
export interface Speed {
  tokensPerSecond: number;
  /** Whether this file was measured here, or another one from which its size lets guess. */
  isMeasured: boolean;
}

/**
 * Reads a model's header and vocabulary. Throws as `loadModel` does for what isn't there or is no model.
 */
export async function readModel(source: string, options: PlaceOptions): Promise<UnloadedModel> {
  if (namesServer(source)) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `${source} is a server's: it needs no memory here`,
      {
        fix: "a GGUF file, or a bundled name",
      },
    );
  }
  const { readLocalModel } = await import("./local/read-model.js");
  return readLocalModel(source, options);
}

/** A model that may be nowhere on this machine, by its numbers. */
export async function imagineModel(
  known: KnownModel,
  options: PlaceOptions,
): Promise<UnloadedModel> {
  const { imagineLocalModel } = await import("./local/read-model.js");
  return imagineLocalModel(known, options);
}
