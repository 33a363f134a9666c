/** Describes a loaded model, from its file's header and the options of `loadModel`. */
import { basename } from "node:path";
import type { Limits, Place } from "../engine.js";
import { DEFAULT_KV_TYPE, type KvType } from "../kv-types.js";
import { CELL_PADDING } from "./memory.js";
import { kvHeadsOf, mostHeads } from "./model-shape.js";
import type { NativeModel, NativeModelInfo } from "./native-model.js";

/** The options that change the model's results, apart from its file. */
export interface Variant {
  kvType: KvType;
  /** LoRA adapters that are added to the weights, and their sizes in bytes. */
  adapters: readonly { path: string; scale: number; bytes: number }[];
}

/** Reads the properties of a model. The description names adapters and the type of keys and values. */
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
    // An empty template counts as no template.
    chatTemplate: (info.chatTemplate ?? "").trim() === "" ? null : info.chatTemplate,
    // The maximum over all layers. llama.cpp gives the first layer's numbers, which may be 0.
    heads: mostHeads(shape),
    kvHeads: Math.max(...kvHeadsOf(shape)),
  };
}

/** By kind of machine, the number of continuations side by side beyond which more gain little. */
const PARALLEL = { smallModel: 16, cpu: 32, gpu: 128 };
const SMALL_MODEL = 100e6;

/** The limits of llama.cpp for a model's contexts. */
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
