/**
 * What a context takes, predicted from the model's shape before it is made. The KV cache and the
 * logits are exact. The compute buffer is the largest of the engine's phases, each a sum of the
 * tensors alive in it; the sums were fitted to the sizes that llama.cpp reports for transformers
 * of seven shapes (docs/how-it-works.md, "Capacity").
 */
import type { NativeModelInfo } from "./native-model.js";
import type { AttentionChoice } from "./own-attention.js";

/** llama.cpp rounds a context's cells up to a multiple of this, and the part a batch reads too. */
const CELL_PADDING = 256;
const F16 = 2;
const F32 = 4;
const I64 = 8;

export interface ModelShape {
  info: Readonly<NativeModelInfo>;
  metadata: Readonly<Record<string, string>>;
  /** Who computes its attention on a CPU. Default "auto". */
  attention?: AttentionChoice;
}

/** Bytes at the peak. */
export interface ContextMemory {
  /** The file's tensors. */
  weights: number;
  /**
   * A second copy of the tensors, of a diffusion model whose keys and values are kept: read into
   * memory under another architecture, with the first run that keeps any. Else 0.
   */
  copy: number;
  /** The vocabulary's tables, made at load. */
  vocabulary: number;
  /** Keys and values of all cells, allocated at once. */
  kvCache: number;
  /** Rows of logits: the engine's output buffer, and a row for each text that is kept. */
  logits: number;
  /** Activations: of the largest batches that the plan foresees on a CPU, reserved on a GPU. */
  compute: number;
  total: number;
}

/** With what a model takes whatever its context, and the sum. */
export function contextMemory(
  model: ModelShape,
  own: Pick<ContextMemory, "kvCache" | "logits" | "compute">,
  copy = 0,
): ContextMemory {
  const weights = model.info.sizeBytes;
  const vocabulary = vocabularyBytes(model);
  const total = weights + copy + vocabulary + own.kvCache + own.logits + own.compute;
  return { weights, copy, vocabulary, ...own, total };
}

/** One batch, as it shapes the compute graph. */
export interface BatchShape {
  tokens: number;
  /** Cells that the batch attends to. */
  cells: number;
  /** Tokens whose logits are computed. */
  outputs: number;
  flashAttention: boolean;
}

export function padCells(cells: number): number {
  return Math.ceil(cells / CELL_PADDING) * CELL_PADDING;
}

/** Bytes of one token's keys and values, in 16-bit floats, over all layers. */
export function bytesPerCell(model: ModelShape): number {
  const { heads, keys, values } = attentionOf(model);
  const elements = heads.map((kvHeads, layer) => kvHeads * (at(keys, layer) + at(values, layer)));
  return F16 * elements.reduce((a, b) => a + b, 0);
}

/** Bytes of the tables by which texts become tokens, as measured for vocabularies of 152k. */
function vocabularyBytes({ info }: ModelShape): number {
  return info.vocabSize * 320;
}

/** Bytes of one row of logits. */
export function bytesPerRow({ info }: ModelShape): number {
  return info.vocabSize * F32;
}

/** Bytes of the activations of one batch. */
export function computeBytes(model: ModelShape, batch: BatchShape): number {
  const { info } = model;
  const { tokens, cells, outputs, flashAttention } = batch;
  const { heads, keys, values } = attentionOf(model);
  const kvHeads = Math.max(...heads);
  const residual = tokens * info.embeddingSize * F32;
  const query = tokens * info.heads * Math.max(...keys) * F32;
  const key = tokens * kvHeads * Math.max(...keys) * F32;
  const mask = tokens * cells * (flashAttention ? F16 : F32);
  // Without flash attention values are cached transposed, each element at an index of its own.
  const indices = flashAttention ? 0 : tokens * kvHeads * Math.max(...values) * I64;
  const attention = flashAttention
    ? 2 * residual + 2 * query + 3 * key
    : 3 * residual + 2 * query + tokens * cells * info.heads * F32;
  const feedForward = 3 * tokens * feedForwardWidth(model) * F32 + 4 * residual;
  const unembedding = outputs * (bytesPerRow(model) + 4 * info.embeddingSize * F32);
  return Math.max(mask + indices + Math.max(attention, feedForward), unembedding);
}

/**
 * Bytes of the compute buffer as llama.cpp reserves it: a full batch over all cells, its tokens
 * spread evenly over all sequences.
 */
export function reservedComputeBytes(
  model: ModelShape,
  batch: BatchShape & { sequences: number },
): number {
  const { sequences } = batch;
  const tokens = Math.ceil(batch.tokens / sequences) * sequences;
  return computeBytes(model, { ...batch, tokens });
}

/** Heads of keys and values in each layer, and the width of one head; widths may differ too. */
function attentionOf(model: ModelShape) {
  const { info } = model;
  const head = info.embeddingSize / Math.max(info.heads, 1);
  const kvHeads = numbersOf(model, "attention.head_count_kv", info.kvHeads);
  // Multi-head latent attention caches one vector a token; its values are part of it.
  const isLatent = numbersOf(model, "attention.key_length_mla", 0).some((width) => width > 0);
  return {
    heads: Array.from({ length: info.layers }, (_, layer) => at(kvHeads, layer)),
    keys: numbersOf(model, "attention.key_length", head),
    values: isLatent ? [0] : numbersOf(model, "attention.value_length", head),
  };
}

/** Of a mixture of experts: of those that one token goes through. */
function feedForwardWidth(model: ModelShape): number {
  const dense = Math.max(...numbersOf(model, "feed_forward_length", 4 * model.info.embeddingSize));
  const [used = 0] = numbersOf(model, "expert_used_count", 0);
  const [expert = dense] = numbersOf(model, "expert_feed_forward_length", dense);
  return Math.max(dense, used * expert);
}

/** A number of the architecture's metadata, or one for each layer. */
function numbersOf({ metadata }: ModelShape, key: string, fallback: number): number[] {
  const text = metadata[`${metadata["general.architecture"]}.${key}`] ?? "";
  const numbers = (text.match(/\d+/g) ?? []).map(Number);
  return numbers.length > 0 ? numbers : [fallback];
}

/** One number for all layers, or each layer's own. */
function at(numbers: readonly number[], layer: number): number {
  return numbers[Math.min(layer, numbers.length - 1)] as number;
}
