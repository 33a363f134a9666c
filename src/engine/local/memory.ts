/**
 * Predicts a context's memory from the model's shape, before the context is created. The KV cache and
 * the logits are exact. The compute buffer is the largest of the engine's phases, and a phase takes the
 * sum of the tensors that are alive in it. The sums were fitted to the sizes that llama.cpp reports for
 * transformers of seven shapes (docs/how-it-works.md, "Capacity").
 */

import { checkArray, checkOneOf, checkSizes } from "../check.js";
import type { DenoiserOptions } from "../denoiser.js";
import type { BatchShape, ContextMemory, ContextShape, DenoiserSize, Place } from "../engine.js";
import { bytesPerValue, DEFAULT_KV_TYPE } from "../kv-types.js";
import type { SamplingPlace } from "./context.js";
import {
  architectureOf,
  at,
  kvHeadsOf,
  type ModelShape,
  mostHeads,
  numbersOf,
} from "./model-shape.js";
import { bytesPerState, hasAttention, mixingBytes } from "./recurrent-state.js";

/** llama.cpp rounds a context's cells, and the cells that a batch reads, up to a multiple of this. */
export const CELL_PADDING = 256;
const PLACES: readonly Place[] = ["cpu", "gpu"];
const F16 = 2;
const F32 = 4;
const I64 = 8;

/** Completes a context's memory: adds the parts that don't depend on the context, and the total. */
function contextMemory(
  model: ModelShape,
  own: Pick<ContextMemory, "kvCache" | "logits" | "compute">,
  needsCopy = false,
): ContextMemory {
  const { sizeBytes } = model.info;
  const weights = sizeBytes * (needsCopy ? 2 : 1) + (model.adapterBytes ?? 0);
  const copy = needsCopy && !model.hasCopy ? sizeBytes : 0;
  const vocabulary = vocabularyBytes(model);
  const total = weights + vocabulary + own.kvCache + own.logits + own.compute;
  return { weights, copy, vocabulary, ...own, total };
}

function checkBatch(batch: BatchShape): BatchShape {
  return checkSizes("shape.batches", batch, ["tokens", "cells", "outputs"]);
}

/** A context's memory. On a GPU the engine reserves the memory of the largest possible batch. */
export function memoryOfContext(
  model: ModelShape,
  shape: ContextShape,
  place: Place,
  sampling: SamplingPlace = "host",
): ContextMemory {
  checkOneOf("place", place, PLACES);
  checkSizes("shape", shape, ["cells", "sequences", "batchTokens", "outputs", "logitRows"]);
  const { cells, sequences, batchTokens: tokens, flashAttention, logitRows } = shape;
  const compute =
    place === "gpu"
      ? reservedComputeBytes(model, { ...shape, tokens })
      : Math.max(
          ...checkArray("shape.batches", shape.batches).map((batch) =>
            computeBytes(model, { ...checkBatch(batch), sequences, flashAttention }),
          ),
        );
  // On the device, llama.cpp also allocates probabilities, logits and candidates for each row. The sums
  // take as much memory as three rows.
  const isOnDevice = sampling === "device";
  const sums = isOnDevice ? 3 * shape.outputs * bytesPerRow(model) : 0;
  return contextMemory(model, {
    kvCache: bytesOfCache(model, { cells, sequences }),
    logits: (isOnDevice ? 4 : 1) * logitRows * bytesPerRow(model),
    compute: compute + sums,
  });
}

/**
 * Tokens of one decode, if several texts fit into it; larger batches gain little. On a CPU they are even
 * slower: attention is computed for all pairs of tokens in a batch, and pairs of different texts are
 * then masked.
 */
export const DENOISING_BATCH: Record<Place, number> = { cpu: 128, gpu: 2048 };

/** A denoiser's size and memory. The sizes are those of native/diffusion/diffusion_session.cc. */
export function memoryOfDenoiser(
  model: ModelShape,
  options: DenoiserOptions,
  place: Place,
): DenoiserSize {
  checkOneOf("place", place, PLACES);
  const {
    length,
    texts,
    cache = "none",
    guidance = false,
  } = checkSizes("options", options, ["length", "texts"]);
  const views = guidance ? 2 : 1;
  const isCached = cache !== "none";
  const all = texts * views * length;
  const sequences = texts * views + 1;
  const batchTokens = Math.max(views * length, Math.min(all, DENOISING_BATCH[place]), sequences);
  const cells = padCells(isCached ? all + length : batchTokens);
  const batch = { tokens: batchTokens, cells, outputs: batchTokens, flashAttention: false };
  const compute =
    place === "gpu"
      ? reservedComputeBytes(model, { ...batch, sequences })
      : computeBytes(model, batch);
  const kvCache = isCached ? cells * bytesPerCell(model) : 0;
  const needsCopy = isCached && model.info.cachingArchitecture !== null;
  const logits = batchTokens * bytesPerRow(model);
  return {
    cells,
    sequences,
    batchTokens,
    outputs: batchTokens,
    kvType: isCached ? "f16" : "f32",
    memory: contextMemory(model, { kvCache, logits, compute }, needsCopy),
  };
}

/** The sizes of one batch, which shape the compute graph. `sequences` is the most that it may contain. */
type Batch = BatchShape & Pick<ContextShape, "flashAttention"> & { sequences?: number };

/** Rounds a number of cells up to llama.cpp's unit. */
export function padCells(cells: number): number {
  return Math.ceil(cells / CELL_PADDING) * CELL_PADDING;
}

/** Bytes of the cached texts: the cells of all tokens, and the recurrent states of all sequences. */
export function bytesOfCache(
  model: ModelShape,
  { cells, sequences }: Pick<ContextShape, "cells" | "sequences">,
): number {
  return cells * bytesPerCell(model) + sequences * bytesPerState(model);
}

/** Bytes of one token's keys and values over all layers. */
export function bytesPerCell(model: ModelShape): number {
  const { heads, keys, values } = attentionOf(model);
  const elements = heads.map((kvHeads, layer) => {
    const indexer = kvHeads > 0 ? indexerWidth(model, layer) : 0;
    return kvHeads * (at(keys, layer) + at(values, layer)) + indexer;
  });
  const { kvType = DEFAULT_KV_TYPE } = model;
  return bytesPerValue(kvType) * elements.reduce((a, b) => a + b, 0);
}

/** The widths of all heads of keys and values. */
export function headWidths(model: ModelShape): number[] {
  const { heads, keys, values } = attentionOf(model);
  return heads.flatMap((count, layer) => (count > 0 ? [at(keys, layer), at(values, layer)] : []));
}

/** Architectures of sparse attention. They choose the tokens to attend to by a second key of each token. */
const INDEXED = ["deepseek32", "dots3note", "glm-dsa", "hy_v4", "minimax-m3", "qwen4exp"];

function indexerWidth(model: ModelShape, layer: number): number {
  const architecture = architectureOf(model);
  if (!INDEXED.includes(architecture)) return 0;
  const choosesLayers = ["dots3note", "hy_v4"].includes(architecture);
  const types = choosesLayers ? numbersOf(model, "attention.indexer.types", 1) : [1];
  return at(types, layer) > 0 ? at(numbersOf(model, "attention.indexer.key_length", 0), 0) : 0;
}

/** Bytes of the tokenizer's tables, from measurements of vocabularies with 152,000 tokens. */
function vocabularyBytes({ info }: ModelShape): number {
  return info.vocabSize * 320;
}

/** Bytes of one row of logits. */
export function bytesPerRow({ info }: ModelShape): number {
  return info.vocabSize * F32;
}

/** Bytes of the activations of one batch. */
export function computeBytes(model: ModelShape, batch: Batch): number {
  const { info } = model;
  const { tokens, cells, outputs, flashAttention, sequences = 1 } = batch;
  const { heads, keys, values } = attentionOf(model);
  const kvHeads = Math.max(...heads);
  const residual = tokens * info.embeddingSize * F32;
  const query = tokens * mostHeads(model) * Math.max(...keys) * F32;
  const key = tokens * kvHeads * Math.max(...keys) * F32;
  const mask = kvHeads === 0 ? 0 : tokens * cells * (flashAttention ? F16 : F32);
  // Without flash attention the values are cached transposed, and each element has its own index.
  const indices = flashAttention ? 0 : tokens * kvHeads * Math.max(...values) * I64;
  const attention = flashAttention
    ? 2 * residual + 2 * query + 3 * key
    : 3 * residual + 2 * query + tokens * cells * mostHeads(model) * F32;
  const feedForward = 3 * tokens * feedForwardWidth(model) * F32 + 4 * residual;
  const mixing = mixingBytes(model, { tokens, sequences });
  const unembedding = outputs * (bytesPerRow(model) + 4 * info.embeddingSize * F32);
  const ofLayer = Math.max(kvHeads === 0 ? 0 : attention, feedForward, mixing);
  return Math.max(mask + indices + ofLayer, unembedding);
}

/**
 * Bytes of the compute buffer that llama.cpp reserves: for a full batch over all cells, with its tokens
 * distributed evenly over all sequences.
 */
export function reservedComputeBytes(
  model: ModelShape,
  batch: Batch & { sequences: number },
): number {
  const { sequences } = batch;
  const tokens = Math.ceil(batch.tokens / sequences) * sequences;
  return computeBytes(model, { ...batch, tokens });
}

/** For each layer, the number of key and value heads, and the widths of one key and one value. */
function attentionOf(model: ModelShape) {
  const { layers, embeddingSize } = model.info;
  const head = embeddingSize / Math.max(mostHeads(model), 1);
  const kvHeads = kvHeadsOf(model);
  // Multi-head latent attention caches one vector for each token, which contains the values.
  const isLatent = numbersOf(model, "attention.key_length_mla", 0).some((width) => width > 0);
  // The last layers may reuse the keys and values of an earlier layer.
  const own = layers - at(numbersOf(model, "attention.shared_kv_layers", 0), 0);
  const ofEach = (number: (layer: number) => number) =>
    Array.from({ length: layers }, (_, layer) => number(layer));
  return {
    heads: ofEach((layer) => (hasAttention(model, layer) && layer < own ? at(kvHeads, layer) : 0)),
    keys: ofEach((layer) => widthAt(model, "attention.key_length", layer, head)),
    values: isLatent
      ? [0]
      : ofEach((layer) => widthAt(model, "attention.value_length", layer, head)),
  };
}

/** A layer's head width. Layers with a sliding window may have a different one. */
function widthAt(model: ModelShape, key: string, layer: number, fallback: number): number {
  const all = numbersOf(model, key, fallback);
  const windows = numbersOf(model, "attention.sliding_window_pattern", 0);
  const isWindow = windows.length > 1 && at(windows, layer) > 0;
  return at(isWindow ? numbersOf(model, `${key}_swa`, all[0] as number) : all, layer);
}

/** The feed-forward width; for a mixture of experts, that of all experts that one token uses. */
function feedForwardWidth(model: ModelShape): number {
  const dense = Math.max(...numbersOf(model, "feed_forward_length", 4 * model.info.embeddingSize));
  const [used = 0] = numbersOf(model, "expert_used_count", 0);
  const [expert = dense] = numbersOf(model, "expert_feed_forward_length", dense);
  return Math.max(dense, used * expert);
}
