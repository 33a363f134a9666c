/** How fast a model writes: what a user waits for, beside the memory that it takes. */
import type { Model } from "./engine.js";
import { resolveSampling } from "./sampling.js";
import type { Sequences } from "./sequences.js";

const PROMPT = "Once upon a time there was a small village at the foot of a mountain, where";
const LENGTH = 16;

/**
 * Tokens a second of texts that are drawn side by side, the prompt aside: the faster of two tries.
 *
 * @param texts how many, from 1 to 64
 * @throws LlamaEtsError `ERR_UNSUPPORTED_MODEL` for a model that extends no text
 */
export async function measureSpeed(model: Model, texts: number): Promise<number> {
  model.checkExtends();
  const { tokens: prompt } = await model.encodePrompt(PROMPT, { raw: true });
  const context = await model.lease({
    cells: prompt.length + 2 * texts * LENGTH,
    sequences: texts + 1,
    outputs: Math.max(model.limits.outputs, texts + 1),
  });
  try {
    await using parent = await context.create();
    await parent.prefill(prompt);
    const tries = [await timeDraws(model, context, parent, texts)];
    tries.push(await timeDraws(model, context, parent, texts));
    return Math.max(...tries);
  } finally {
    await model.release(context);
  }
}

async function timeDraws(
  model: Model,
  context: Sequences,
  parent: Awaited<ReturnType<Sequences["create"]>>,
  texts: number,
): Promise<number> {
  const start = performance.now();
  const drawn = await context.generate({
    draws: Array.from({ length: texts }, (_, i) => ({
      parent,
      stream: [i, 0, 0] as const,
      position: 0,
      maxTokens: LENGTH,
      keep: false,
      text: new Int32Array(),
    })),
    // Hot enough that texts differ, and share no decode.
    sampling: resolveSampling({ temperature: 2 }, model.info.vocabSize),
    key: [0, 0],
    stopStrings: [],
    stopTokens: new Int32Array(),
    answerEnd: null,
    maxTotalTokens: texts * LENGTH,
    sharePrefixes: true,
    timeLimitMs: null,
  });
  const tokens = drawn.reduce((sum, text) => sum + text.tokens.length, 0);
  return (1000 * tokens) / (performance.now() - start);
}
