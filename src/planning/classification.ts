/** Plans the size of a context that judges texts. */
import type { Capacity, Model } from "../engine/engine.js";
import { LlamaEtsError } from "../engine/errors.js";
import { contextBytes, usableFor } from "./memory.js";

/** The number of texts that are read together. */
const PARALLEL = 16;
/** The largest number of logits per batch: the engine computes a row of logits for each token it reads. */
const MAX_LOGITS = 2 ** 24;
const BATCH = { least: 64, most: 512 };

/**
 * Plans the context for texts of these lengths after a common prefix. Throws `ERR_CONTEXT_FULL` or
 * `ERR_OUT_OF_MEMORY`.
 */
export function planClassification(
  model: Model,
  prefix: number,
  lengths: readonly number[],
): Capacity {
  const { info, path, limits } = model;
  const longest = Math.max(...lengths);
  if (prefix + longest > info.contextLength) {
    throw new LlamaEtsError(
      "ERR_CONTEXT_FULL",
      `A text to be judged has ${prefix + longest} tokens with its prompt; the context of ${path} holds ${info.contextLength}`,
    );
  }
  const fitting = Math.floor(MAX_LOGITS / info.vocabSize);
  const batchTokens = Math.min(Math.max(fitting, BATCH.least), BATCH.most);
  const tokens = prefix + Math.max(longest, 2 * batchTokens);
  const cells = Math.ceil(tokens / limits.cellUnit) * limits.cellUnit;
  const size = { cells, sequences: PARALLEL + 1, batchTokens, outputs: batchTokens };
  refuseTooLarge(model, size);
  return size;
}

function refuseTooLarge(model: Model, size: Capacity): void {
  const { cells, batchTokens, outputs } = size;
  const free = model.freeMemory();
  const memory = model.memoryOf({
    ...size,
    flashAttention: false,
    logitRows: batchTokens,
    batches: [{ tokens: batchTokens, cells, outputs }],
  });
  const [needed, usable] = [contextBytes({ memory }, "cpu"), usableFor(model, free)];
  if (needed <= usable) return;
  throw new LlamaEtsError(
    "ERR_OUT_OF_MEMORY",
    `Judging texts needs ${Math.round(needed / 2 ** 20)} MiB; ${Math.round(usable / 2 ** 20)} MiB can be used`,
    { fix: "a smaller reward model, or shorter texts" },
  );
}
