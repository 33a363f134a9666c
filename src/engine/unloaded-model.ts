/** The interface of a model whose weights are not in memory. Plans need no more than this. */
import type { Model } from "./engine.js";
import type { GpuChoice } from "./local/locate-engine.js";

/** Where a model would be loaded. */
export interface PlaceOptions {
  /** Like the options of `loadModel`. */
  gpu?: GpuChoice;
  engine?: string;
  gpuLayers?: number;
}

/** A model whose weights are not loaded, as plans need it. */
export interface UnloadedModel
  extends Pick<Model, "path" | "kind" | "info" | "can" | "limits" | "checkExtends">,
    Pick<Model, "memoryOf" | "memoryOfDenoiser" | "matchTokenizer"> {
  /** Memory that was free when the model was read, less its weights: contexts could have it. */
  freeMemory(): ReturnType<Model["freeMemory"]>;
  readonly architecture: string;
  /** An identifier, equal for models with the same tokenizer, apart from padding. */
  readonly tokenizer: string;
  /** Why `loadModel` would refuse the model; absent if it would load it. */
  readonly refusal?: string;
  /** The speed of drawing one text; absent if it is unknown. */
  readonly speed?: Speed;
}

/** The speed of drawing one text alone. */
export interface Speed {
  tokensPerSecond: number;
  /** Whether this file was measured on this machine. Otherwise it is an estimate from other files' speeds. */
  isMeasured: boolean;
}
