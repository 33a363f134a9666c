/** What a run needs, and whether it fits: checked before work starts. */
import { freemem } from "node:os";
import { LlamaEtsError } from "./errors.js";
import { addon, type Device, type NativeModelInfo } from "./native.js";

/** llama.cpp's limit on sequences of one context. */
const MAX_SEQUENCES = 256;

export interface Demand {
  promptTokens: number;
  /** The longest text that may be generated. */
  maxTokens: number;
  /** Continuations that could run side by side. */
  parallel: number;
  /** Sequences kept besides those that run: the prefix and its candidates. */
  held: number;
  /** The longest block of a held candidate. */
  heldTokens: number;
}

export interface Capacity {
  cells: number;
  sequences: number;
}

interface ModelShape {
  info: NativeModelInfo;
  metadata: Record<string, string>;
}

/** Share of the free memory a context may take. */
const MEMORY_SHARE = 0.8;

/**
 * Plans a context for the demand; work that doesn't fit at once runs in waves. Throws
 * `ERR_CONTEXT_FULL` when prompt and answer exceed the model's context length, and
 * `ERR_OUT_OF_MEMORY` when not even one continuation at a time fits into memory.
 */
export function planCapacity(model: ModelShape, demand: Demand, parallelLimit: number): Capacity {
  const { promptTokens, maxTokens, held, heldTokens } = demand;
  const { contextLength } = model.info;
  if (promptTokens + maxTokens > contextLength) {
    const room = contextLength - promptTokens;
    throw new LlamaEtsError(
      "ERR_CONTEXT_FULL",
      `The prompt has ${promptTokens} tokens and the answer up to ${maxTokens}; the model's context holds ${contextLength}`,
      {
        fix: room > 0 ? `maxTokens: ${room}` : "a shorter prompt, or a model with a longer context",
      },
    );
  }
  if (held >= MAX_SEQUENCES) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `Expected at most ${MAX_SEQUENCES - 2} candidates kept at once, got ${held - 1}`,
      { fix: "fewer candidates" },
    );
  }
  const fixed = promptTokens + maxTokens + (held - 1) * heldTokens;
  const cellsFor = (parallel: number) => fixed + parallel * maxTokens;
  const memory = Math.floor((freeMemory() * MEMORY_SHARE) / bytesPerCell(model));
  const most = Math.min(demand.parallel, parallelLimit, MAX_SEQUENCES - held);
  const parallel = Math.min(most, Math.floor((memory - fixed) / maxTokens));
  if (parallel < 1) {
    throw new LlamaEtsError(
      "ERR_OUT_OF_MEMORY",
      `A context of ${cellsFor(1)} tokens needs ${toMiB(cellsFor(1) * bytesPerCell(model))} MiB for its KV cache; ${toMiB(freeMemory())} MiB are free`,
      { fix: "fewer candidates, fewer tokens, or a smaller model" },
    );
  }
  return { cells: cellsFor(parallel), sequences: parallel + held };
}

/** Bytes of one token's keys and values, in 16-bit floats, over all layers. */
function bytesPerCell({ info, metadata }: ModelShape): number {
  const architecture = metadata["general.architecture"] ?? "";
  const head = info.embeddingSize / Math.max(info.heads, 1);
  const width = (key: string) => Number(metadata[`${architecture}.attention.${key}`] ?? head);
  return info.layers * info.kvHeads * (width("key_length") + width("value_length")) * 2;
}

/** Free memory where the KV cache lives: the GPU's, if there is one. */
function freeMemory(): number {
  const gpus = addon()
    .devices()
    .filter((device: Device) => device.type === "gpu");
  return gpus.length > 0 ? gpus.reduce((sum, gpu) => sum + gpu.freeBytes, 0) : freemem();
}

function toMiB(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
