/** Options that change a model's results: LoRA adapters, and the type of cached keys and values. */
import { stat } from "node:fs/promises";
import { checkKeys, checkNumber, checkString } from "../check.js";
import { LlamaEtsError } from "../errors.js";
import { blockOf, DEFAULT_KV_TYPE, isQuantized, type KvType } from "../kv-types.js";
import type { LoadProgress } from "../load-progress.js";
import { resolveModelPath } from "../model-path.js";
import { headWidths } from "./memory.js";
import type { ModelShape } from "./model-shape.js";
import type { NativeModelInfo } from "./native-model.js";
import type { ChosenAttention } from "./own-attention.js";

/** A LoRA adapter, and the scale at which it is added to the weights. */
export interface LoraOptions {
  /** A GGUF file, an `hf:` URI or a URL. */
  path: string;
  /** From -1000 to 1000. Default 1. */
  scale?: number;
}

/** A LoRA adapter's file on this machine. */
export interface Adapter {
  path: string;
  scale: number;
  bytes: number;
}

const MOST_ADAPTERS = 64;

/** Checks the option `loras` and fills in scales. Throws `ERR_INVALID_OPTION`. */
export function checkLoras(loras: readonly LoraOptions[]): Required<LoraOptions>[] {
  if (!Array.isArray(loras) || loras.length > MOST_ADAPTERS) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `Expected \`loras\` to be a list of at most ${MOST_ADAPTERS} adapters, { path, scale }`,
    );
  }
  return loras.map((lora: LoraOptions) => {
    checkKeys("loras[i]", lora, ["path", "scale"]);
    const { path, scale = 1 } = lora;
    return {
      path: checkString("loras[i].path", path),
      scale: checkNumber("loras[i].scale", scale, -1000, 1000),
    };
  });
}

/** Finds, or downloads, the adapters' files. Throws as `resolveModelPath` does. */
export async function findAdapters(
  loras: readonly Required<LoraOptions>[],
  onProgress: (progress: LoadProgress) => void,
  signal: AbortSignal | undefined,
): Promise<Adapter[]> {
  const adapters: Adapter[] = [];
  for (const { path, scale } of loras) {
    const file = await resolveModelPath(path, onProgress, signal);
    adapters.push({ path: file, scale, bytes: (await stat(file)).size });
  }
  return adapters;
}

/** Throws `ERR_INVALID_OPTION` for a diffusion model, whose contexts can't use adapters. */
export function refuseAdapters(info: NativeModelInfo): void {
  if (!info.isDiffusion) return;
  throw new LlamaEtsError("ERR_INVALID_OPTION", "LoRA adapters are for autoregressive models", {
    fix: "a diffusion model that the adapter was merged into",
  });
}

/**
 * The attention for a type of keys and values. This package's own kernel reads only f16, so other types
 * get the engine's. Throws `ERR_INVALID_OPTION` if the own kernel was requested.
 */
export function attentionFor(kvType: KvType, chosen: ChosenAttention): ChosenAttention {
  if (kvType === DEFAULT_KV_TYPE) return chosen;
  if (chosen.choice !== "own") return { ...chosen, choice: "engine" };
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    `Attention of our own, which \`${chosen.by}\` asks for, reads keys and values in f16, not ${kvType}`,
    { fix: 'another `attention`, or `kv: "f16"`' },
  );
}

/** Throws `ERR_INVALID_OPTION` if the engine can't cache a model's keys and values in a type. */
export function refuseKvType(
  kvType: KvType,
  info: NativeModelInfo,
  metadata: ModelShape["metadata"],
): void {
  const refuse = (why: string) => {
    throw new LlamaEtsError("ERR_INVALID_OPTION", `\`kv\` can't be ${kvType}: ${why}`, {
      fix: '`kv: "f16"`, the default',
    });
  };
  if (info.isDiffusion) refuse("it is for autoregressive models");
  if (info.labels.length > 0) refuse("a classifier's texts are kept in f16");
  const block = blockOf(kvType);
  const width = headWidths({ info, metadata }).find((width) => width % block !== 0);
  if (width !== undefined) {
    refuse(`it stores ${block} values together, and the model's heads have ${width}`);
  }
  if (isQuantized(kvType) && metadata["general.architecture"] === "grok") {
    refuse("llama.cpp has no flash attention for Grok");
  }
}
