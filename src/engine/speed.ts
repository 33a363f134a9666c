/** Measures how fast a model generates tokens. */
import type { Model } from "./engine.js";
import { resolveSampling } from "./sampling.js";
import type { Sequences } from "./sequences.js";

const PROMPT = "Once upon a time there was a small village at the foot of a mountain, where";
const LENGTH = 16;

/**
 * Draws texts side by side and returns their tokens per second, without the prompt. Of two tries it
 * takes the faster one.
 *
 * @param texts the number of texts, from 1 to 64
 * @throws LlamaEtsError `ERR_UNSUPPORTED_MODEL` for a model that can't extend texts
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
    // At this temperature the texts differ soon, so that they share no decoded tokens.
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
