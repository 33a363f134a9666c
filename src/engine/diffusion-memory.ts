/** What a diffusion context takes, predicted before it is made. */
import { type FreeMemory, usableShare } from "./capacity.js";
import type { DiffusionContextOptions } from "./diffusion-context.js";
import { LlamaEtsError } from "./errors.js";
import { bytesPerCell, bytesPerRow, computeBytes, type ModelShape, padCells } from "./memory.js";

type Size = Omit<DiffusionContextOptions, "threads"> & { batchTokens: number };

/** Bytes of keys and values, logits and activations; native/diffusion_session.cc has the sizes. */
export function diffusionBytes(model: ModelShape, size: Size): number {
  const { length, texts, cache = "none", guidance = false } = size;
  const views = guidance ? 2 : 1;
  const all = texts * views * length;
  const batch = Math.max(views * length, Math.min(all, size.batchTokens), texts * views + 1);
  const cells = padCells(cache === "none" ? batch : all + length);
  const kvCache = cells * bytesPerCell(model) * (cache === "none" ? 2 : 1);
  const logits = batch * bytesPerRow(model);
  const shape = { tokens: batch, cells, outputs: batch, flashAttention: false };
  return kvCache + logits + computeBytes(model, shape);
}

/**
 * Throws `ERR_CONTEXT_FULL` when the texts are longer than the model's context, `ERR_OUT_OF_MEMORY`
 * when the free memory does not hold what the context takes.
 */
export function refuseTooLarge(model: ModelShape, size: Size, free: FreeMemory): void {
  const { contextLength } = model.info;
  if (size.length > contextLength) {
    throw new LlamaEtsError(
      "ERR_CONTEXT_FULL",
      `Prompt and text have ${size.length} tokens; the model's context holds ${contextLength}`,
      { fix: "a shorter prompt or answer" },
    );
  }
  const needed = diffusionBytes(model, size);
  const usable = usableShare(free.bytes);
  if (needed <= usable) return;
  const [needs, has] = [needed, usable].map((bytes) => Math.round(bytes / 2 ** 20));
  throw new LlamaEtsError(
    "ERR_OUT_OF_MEMORY",
    `Denoising ${size.texts} texts of ${size.length} tokens side by side needs ${needs} MiB; ${has} MiB can be used`,
    { fix: "fewer texts side by side, or shorter ones" },
  );
}
