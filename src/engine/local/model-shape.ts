/** Reads the numbers of a model's shape from its metadata. */
import type { KvType } from "../kv-types.js";
import type { NativeModelInfo } from "./native-model.js";

/** The properties of a model that determine its memory. */
export interface ModelShape {
  info: Readonly<NativeModelInfo>;
  metadata: Readonly<Record<string, string>>;
  /** Whether a diffusion model's second copy, which caches keys and values, is in memory. */
  hasCopy?: boolean;
  /** The type of cached keys and values. Default f16. */
  kvType?: KvType;
  /** Bytes of its LoRA adapters. Default 0. */
  adapterBytes?: number;
}

export function architectureOf({ metadata }: Pick<ModelShape, "metadata">): string {
  return metadata["general.architecture"] ?? "unknown";
}

/** A number from the architecture's metadata: one for all layers, or one for each layer. */
export function numbersOf(model: ModelShape, key: string, fallback: number): number[] {
  const text = model.metadata[`${architectureOf(model)}.${key}`] ?? "";
  const numbers = (text.match(/\d+/g) ?? []).map(Number);
  return numbers.length > 0 ? numbers : [fallback];
}

/** The number of a layer, from a list with one number for all layers or one for each. */
export function at(numbers: readonly number[], layer: number): number {
  return numbers[Math.min(layer, numbers.length - 1)] as number;
}

/** The number of key and value heads in each layer; 0 in a layer without attention. */
export function kvHeadsOf(model: ModelShape): number[] {
  return numbersOf(model, "attention.head_count_kv", model.info.kvHeads);
}

/** The largest number of attention heads in a layer. */
export function mostHeads(model: ModelShape): number {
  return Math.max(...numbersOf(model, "attention.head_count", model.info.heads));
}
