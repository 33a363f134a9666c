/** What a model says of itself: its file's header, and what was done to it at load. */
import { basename } from "node:path";
import type { Limits, Place } from "../engine.js";
import { DEFAULT_KV_TYPE, type KvType } from "../kv-types.js";
import { CELL_PADDING } from "./memory.js";
import { kvHeadsOf, mostHeads } from "./model-shape.js";
import type { NativeModel, NativeModelInfo } from "./native-model.js";

/** What makes it another model than its file. */
export interface Variant {
  kvType: KvType;
  /** LoRA adapters that are added to the weights, and what they take. */
  adapters: readonly { path: string; scale: number; bytes: number }[];
}

export function readInfo(
  native: NativeModel,
  metadata: Readonly<Record<string, string>>,
  variant: Variant,
): NativeModelInfo {
  const info = native.info();
  const shape = { info, metadata };
  return {
    ...info,
    description: `${info.description}${nameOf(variant)}`,
    // An empty template is none.
    chatTemplate: (info.chatTemplate ?? "").trim() === "" ? null : info.chatTemplate,
    // The most that a layer has: those of the first, which llama.cpp gives, may be none.
    heads: mostHeads(shape),
    kvHeads: Math.max(...kvHeadsOf(shape)),
  };
}

/** Continuations that run side by side: where more would gain little, by kind of machine. */
const PARALLEL = { smallModel: 16, cpu: 32, gpu: 128 };
const SMALL_MODEL = 100e6;

/** What llama.cpp holds of a model's texts. */
export function limitsOf(
  { parameters }: Pick<NativeModelInfo, "parameters">,
  place: Place,
): Limits {
  const isSmall = place === "cpu" && parameters < SMALL_MODEL;
  return {
    sequences: 256, // LLAMA_MAX_SEQ
    batchTokens: 512,
    outputs: 64,
    parallel: PARALLEL[isSmall ? "smallModel" : place],
    cellUnit: CELL_PADDING,
    denoisedTexts: 100, // native/js/diffusion_values.cc
  };
}

function nameOf({ adapters, kvType }: Variant): string {
  const parts = [
    ...adapters.map(
      ({ path, scale }) => `LoRA ${basename(path)}${scale === 1 ? "" : ` × ${scale}`}`,
    ),
    ...(kvType === DEFAULT_KV_TYPE ? [] : [`KV ${kvType}`]),
  ];
  return parts.map((part) => ` + ${part}`).join("");
}
