/** Scores continuations of one prompt. It scores as many side by side as fit into memory. */
import { encodedToScore } from "../chat/constrained-prompt.js";
import type { Prompt, PromptOptions, TokenIds } from "../chat/conversation.js";
import { checkObject } from "../check.js";
import { compiledConstraint } from "../constraint/constraint.js";
import { refuseTooLong } from "../context-length.js";
import type { ContextNeeds, ContextShape, Model } from "../engine.js";
import { LlamaEtsError } from "../errors.js";
import { isQuantized } from "../kv-types.js";
import { largest } from "../largest.js";
import { resolveOnlySampling, type SamplingOptions } from "../sampling.js";
import type { Scores } from "../sequences.js";
import { padCells } from "./memory.js";

/** The most that the context may take of the free memory. */
const MEMORY_SHARE = 0.8;

interface Work {
  promptTokens: number;
  /** Length of the longest continuation, in tokens. */
  longest: number;
  continuations: number;
}

/** The arguments of `Model.score`. */
interface Asked {
  prompt: Prompt;
  continuations: readonly TokenIds[];
  sampling: SamplingOptions;
  promptOptions: PromptOptions;
}

/**
 * Scores continuations, and returns their scores in the same order. Throws `ERR_INVALID_OPTION` for wrong
 * arguments, `ERR_CONTEXT_FULL`, `ERR_OUT_OF_MEMORY`, and the errors of `lease`.
 */
export async function scorePrompt(
  model: Model,
  { prompt, continuations, sampling, promptOptions }: Asked,
): Promise<Scores[]> {
  const { constraint } = checkObject("sampling", sampling);
  const compiled = await compiledConstraint(constraint);
  const policy = resolveOnlySampling(sampling, model.info.vocabSize, compiled);
  const isConstrained = constraint !== undefined;
  const { tokens, requests } = await encodedToScore(
    model,
    prompt,
    continuations,
    promptOptions,
    isConstrained,
  );
  if (requests.length === 0) return [];
  model.checkExtends();
  const longest = Math.max(...requests.map(({ length }) => length));
  const work = { promptTokens: tokens.length, longest, continuations: requests.length };
  const context = await model.lease(sizeFor(model, work));
  try {
    const parent = await context.create();
    await parent.prefill(tokens);
    return await context.score(
      requests.map((request) => ({ parent, tokens: request })),
      policy,
    );
  } finally {
    await model.release(context);
  }
}

function sizeFor(model: Model, work: Work): ContextNeeds {
  const { promptTokens, longest, continuations } = work;
  const { limits } = model;
  const fix = "a shorter prompt or shorter continuations";
  refuseTooLong(model.info, { promptTokens, maxTokens: longest }, fix);
  const { place, sharesAttention, bytes, idleBytes, mappedBytes, kvType } = model.freeMemory();
  const quantized = kvType !== undefined && isQuantized(kvType);
  const usable = MEMORY_SHARE * Math.max(0, bytes + idleBytes - mappedBytes);
  const shapeOf = (parallel: number) =>
    shapeFor(model, work, parallel, sharesAttention || quantized);
  const needed = (parallel: number) => {
    const { kvCache, compute, logits } = model.memoryOf(shapeOf(parallel));
    return kvCache + compute + (place === "gpu" ? 0 : logits);
  };
  const most = Math.min(continuations, limits.parallel, limits.sequences - 1);
  const parallel = largest(most, (count) => needed(count) <= usable);
  if (parallel === 0) {
    throw new LlamaEtsError(
      "ERR_OUT_OF_MEMORY",
      `A context of ${shapeOf(1).cells} tokens needs ${toMiB(needed(1))} MiB; ${toMiB(usable)} MiB can be used`,
      { fix },
    );
  }
  const { cells, sequences, batchTokens, outputs } = shapeOf(parallel);
  const flashAttention = quantized
    ? place === "gpu"
      ? true
      : "engine"
    : sharesAttention && "shared";
  return { cells, sequences, batchTokens, outputs, flashAttention };
}

function shapeFor(
  { limits }: Model,
  { promptTokens, longest }: Work,
  parallel: number,
  flashAttention: boolean,
): ContextShape {
  const sequences = parallel + 1;
  const outputs = Math.max(limits.outputs, sequences);
  const cells = padCells(promptTokens + parallel * longest);
  const read = 2 ** Math.ceil(Math.log2(promptTokens));
  const batchTokens = Math.min(
    Math.max(outputs, read),
    Math.max(outputs, limits.batchTokens),
    cells,
  );
  return {
    cells,
    sequences,
    batchTokens,
    outputs,
    flashAttention,
    logitRows: outputs + 1,
    batches: [
      { tokens: outputs, cells, outputs },
      { tokens: Math.min(batchTokens, promptTokens), cells: padCells(promptTokens), outputs: 1 },
    ],
  };
}

function toMiB(bytes: number): number {
  return Math.round(bytes / 2 ** 20);
}
