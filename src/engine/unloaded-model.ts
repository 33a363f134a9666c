/** Models that are not in memory: what planning asks of one. */
import type { Model } from "./engine.js";
import type { GpuChoice } from "./local/locate-engine.js";

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
