/** A model's shape, as its metadata gives it. */
import type { KvType } from "../kv-types.js";
import type { NativeModelInfo } from "./native-model.js";

export interface ModelShape {
  info: Readonly<NativeModelInfo>;
  metadata: Readonly<Record<string, string>>;
  /** Whether the copy is in memory whose contexts keep a diffusion model's keys and values. */
  hasCopy?: boolean;
  /** The type of cached keys and values. Default f16. */
  kvType?: KvType;
  /** Bytes of its LoRA adapters. Default 0. */
  adapterBytes?: number;
}

export function architectureOf({ metadata }: Pick<ModelShape, "metadata">): string {
  return metadata["general.architecture"] ?? "unknown";
}

/** A number of the architecture's metadata, or one for each layer. */
export function numbersOf(model: ModelShape, key: string, fallback: number): number[] {
  const text = model.metadata[`${architectureOf(model)}.${key}`] ?? "";
  const numbers = (text.match(/\d+/g) ?? []).map(Number);
  return numbers.length > 0 ? numbers : [fallback];
}

/** One number for all layers, or each layer's own. */
export function at(numbers: readonly number[], layer: number): number {
  return numbers[Math.min(layer, numbers.length - 1)] as number;
}

/** Heads with keys and values of their own; a layer without attention has none. */
export function kvHeadsOf(model: ModelShape): number[] {
  return numbersOf(model, "attention.head_count_kv", model.info.kvHeads);
}

/** The most heads of attention that a layer has. */
export function mostHeads(model: ModelShape): number {
  return Math.max(...numbersOf(model, "attention.head_count", model.info.heads));
}
