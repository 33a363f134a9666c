/** Describes models from their files' headers or from known numbers. It never reads weights. */

import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import path from "node:path";
import { resolveBundledName } from "../bundled-models.js";
import type { DenoiserOptions } from "../denoiser.js";
import type { ContextShape, FreeMemory, Place } from "../engine.js";
import { LlamaEtsError } from "../errors.js";
import { resolveModelPath } from "../model-path.js";
import type { KnownModel } from "../popular-models.js";
import type { PlaceOptions, Speed, UnloadedModel } from "../unloaded-model.js";
import { NO_SPECIAL_TOKENS } from "../vocabulary.js";
import { isProven } from "./fork-proofs.js";
import {
  deviceFor,
  freeBytesFor,
  freeMachineBytes,
  gpuShare,
  mappedBytes,
  placeOf,
} from "./free-memory.js";
import { keptSpeeds, speedOf } from "./kept-speeds.js";
import { loadNative } from "./load-native.js";
import { memoryOfContext, memoryOfDenoiser } from "./memory.js";
import { limitsOf, readInfo } from "./model-info.js";
import { architectureOf, type ModelShape } from "./model-shape.js";
import { addon } from "./native.js";
import type { NativeModel, NativeModelInfo } from "./native-model.js";
import { openEngine } from "./open-engine.js";
import { mayBeOwn } from "./own-attention.js";
import { canCut, isKnownToFork, keepsState } from "./recurrent-state.js";
import { refuseExtending, refuseUnproven, refuseUnsupported } from "./supported.js";

/** Reads a model's header and vocabulary. Throws as `loadModel` does if there is no model. */
export async function readLocalModel(
  source: string,
  { gpu = "auto", engine: directory, gpuLayers = -1 }: PlaceOptions,
): Promise<UnloadedModel> {
  const named = resolveBundledName(source);
  const file = await resolveModelPath(named, () => {}, undefined);
  const engine = await openEngine(gpu, directory);
  const native = await loadNative(file, { gpuLayers: 0, withoutWeights: true });
  try {
    const metadata = native.metadata();
    const info = readInfo(native, metadata, { kvType: "f16", adapters: [] });
    const layers = engine.gpu === false || gpu === false ? 0 : gpuLayers;
    const device = deviceFor(layers, addon().devices());
    const { mtimeMs } = await stat(file);
    const kept = { file: path.resolve(file), mtimeMs, sizeBytes: info.sizeBytes };
    const isSparse = Number(metadata[`${architectureOf({ metadata })}.expert_count`] ?? 0) > 0;
    const speed = speedOf({ ...kept, isSparse }, await keptSpeeds(device));
    const refusal = await refusalOf(file, { info, metadata }, { release: engine.release, device });
    return unloaded(
      { info, metadata },
      {
        path: file,
        gpuLayers: layers,
        tokenizer: hashTokens(native, info, metadata),
        speed,
        refusal,
      },
    );
  } finally {
    native.close();
  }
}

/** Like `readLocalModel`, from known numbers instead of a file. */
export async function imagineLocalModel(
  known: KnownModel,
  { gpu = "auto", engine: directory, gpuLayers = -1 }: PlaceOptions,
): Promise<UnloadedModel> {
  const engine = await openEngine(gpu, directory);
  const layers = engine.gpu === false || gpu === false ? 0 : gpuLayers;
  const speeds = await keptSpeeds(deviceFor(layers, addon().devices()));
  return unloaded(shapeOf(known), {
    path: known.uri,
    gpuLayers: layers,
    tokenizer: known.family,
    refusal: undefined,
    speed: speedOf({ file: null, sizeBytes: known.sizeBytes }, speeds),
  });
}

/** The message of the error by which `loadModel` would refuse the model; undefined if it wouldn't. */
async function refusalOf(
  file: string,
  { info, metadata }: ModelShape,
  { release, device }: { release: string; device: string },
): Promise<string | undefined> {
  try {
    refuseUnsupported(file, info, metadata);
    const isKnown = !keepsState(info) || isKnownToFork(architectureOf({ metadata }));
    const proof = { file, release, device };
    if (!isKnown && !(await isProven(proof, { mayHash: false }))) refuseUnproven(file, metadata);
    return undefined;
  } catch (error) {
    if (error instanceof LlamaEtsError) return error.message;
    throw error;
  }
}

/** Hashes all that `matchTokenizers` compares: the tokens, end tokens, special tokens and pre-tokenizer. */
function hashTokens(
  native: NativeModel,
  { vocabSize, bos, eos, eot }: NativeModelInfo,
  metadata: ModelShape["metadata"],
): string {
  let size = vocabSize;
  while (size > 0 && native.tokenText(size - 1).startsWith("[PAD")) size--;
  const hash = createHash("sha256");
  const model = ["tokenizer.ggml.model", "tokenizer.ggml.pre"].map((key) => metadata[key]);
  hash.update(JSON.stringify([bos, eos, eot, model]));
  for (let token = 0; token < size; token++) {
    hash.update(JSON.stringify([native.tokenText(token), native.isEndToken(token)]));
  }
  return hash.digest("hex");
}

interface Origin {
  path: string;
  /** Layers on the GPU: -1 for all, 0 if there is no GPU. */
  gpuLayers: number;
  tokenizer: string;
  speed: Speed | undefined;
  refusal: string | undefined;
}

function unloaded(shape: ModelShape, origin: Origin): UnloadedModel {
  const { info, metadata } = shape;
  const { path: file, gpuLayers, tokenizer, speed, refusal } = origin;
  const share = gpuShare(info.layers, gpuLayers, addon().devices());
  const place = placeOf(share);
  const free = freeBeside(info, share, place);
  const model = {
    path: file,
    kind: info.isDiffusion ? ("diffusion" as const) : ("autoregressive" as const),
    info,
  };
  return {
    ...model,
    architecture: architectureOf({ metadata }),
    tokenizer,
    ...(speed && { speed }),
    ...(refusal !== undefined && { refusal }),
    can: { score: true, fork: true, rank: true, metrics: true, cut: canCut(info) },
    limits: limitsOf(info, place),
    checkExtends: () => refuseExtending(model),
    matchTokenizer: () => info.vocabSize,
    memoryOf: (needs: ContextShape, where = place) => memoryOfContext(shape, needs, where),
    memoryOfDenoiser: (options: DenoiserOptions, where = place) =>
      memoryOfDenoiser(shape, options, where),
    freeMemory: () => free,
  };
}

/** The memory that is left for contexts after the weights are loaded. */
function freeBeside(info: NativeModelInfo, share: number, place: Place): FreeMemory {
  const bytes = freeBytesFor(share, addon().devices(), freeMachineBytes());
  const mapped = mappedBytes(info, place);
  return {
    place,
    idleBytes: 0,
    mappedBytes: mapped,
    bytes: mapped > 0 ? bytes : Math.max(0, bytes - info.sizeBytes),
    sharesAttention: mayBeOwn("auto", place),
  };
}

/** The shape that the model's file would have in its header. */
function shapeOf(known: KnownModel): ModelShape {
  const { architecture, contextLength, vocabSize, parameters, sizeBytes } = known;
  const { layers, embeddingSize, feedForward, heads, kvHeads, headSize } = known;
  const numbers = {
    "attention.head_count": heads,
    "attention.head_count_kv": kvHeads,
    "attention.key_length": headSize,
    "attention.value_length": headSize,
    feed_forward_length: feedForward,
  };
  const metadata = Object.entries(numbers).map(([key, value]) => [
    `${architecture}.${key}`,
    String(value),
  ]);
  return {
    metadata: { "general.architecture": architecture, ...Object.fromEntries(metadata) },
    info: {
      description: path.basename(known.uri),
      contextLength,
      vocabSize,
      parameters,
      sizeBytes,
      layers,
      embeddingSize,
      heads,
      kvHeads,
      slidingWindow: 0,
      labels: [],
      hasEncoder: false,
      hasDecoder: true,
      isRecurrent: false,
      isHybrid: false,
      isDiffusion: false,
      isMapped: true,
      cachingArchitecture: null,
      chatTemplate: null,
      ...NO_SPECIAL_TOKENS,
    },
  };
}
