/** Attention of our own, where the processor has it, in real contexts. */
import { describe, expect, test } from "vitest";
import type { FlashAttention } from "../../src/engine/context.js";
import { addon, SHARED_ATTENTION } from "../../src/engine/native.js";
import { resolveOnlySampling } from "../../src/engine/sampling.js";
import { UNLIMITED } from "../fixtures/generation.js";
import { QUESTION, useModel } from "../fixtures/models.js";
import { largestDifference, ROUNDING } from "../fixtures/rounding.js";

const model = useModel();
const LENGTH = 24;
const TEXTS = 12;

/** Texts drawn side by side, their log-probabilities as drawn and as scored, and times. */
async function draw(flashAttention: FlashAttention, texts?: readonly Int32Array[]) {
  const context = await model().lease({ cells: 1024, sequences: 32, flashAttention });
  try {
    const parent = await context.create();
    const { tokens } = await model().encodePrompt(QUESTION);
    await parent.prefill(tokens);
    const sampling = resolveOnlySampling({ temperature: 1 }, model().info.vocabSize);
    const draws = Array.from({ length: TEXTS }, (_, i) => ({
      ...{ parent, stream: [0, i, 0] as [number, number, number], position: 0 },
      ...{ maxTokens: LENGTH, keep: false, tail: "" },
    }));
    const request = { ...UNLIMITED, draws, sampling, key: [7, 0] as [number, number] };
    const drawn = await context.generate({ ...request, sharePrefixes: false });
    const scored = await context.score(
      (texts ?? drawn.map((text) => text.tokens)).map((tokens) => ({ parent, tokens })),
      sampling,
    );
    return {
      texts: drawn.map((text) => text.tokens),
      drawn: drawn.flatMap((text) => [...text.logProbs]),
      scored: scored.flatMap((text) => [...text.logProbs]),
      status: await context.status(),
    };
  } finally {
    await model().release(context);
  }
}

describe("a context's attention", () => {
  test("is our own where the processor has it, unless the engine's is asked for", async () => {
    await model().encodePrompt(QUESTION);
    const isThere = addon()
      .devices()
      .some(({ name }) => name === SHARED_ATTENTION);
    const timeOf = async (choice: FlashAttention) => (await draw(choice)).status.attentionNs;
    expect((await timeOf(true)) > 0).toBe(isThere);
    expect((await timeOf("auto")) > 0).toBe(isThere);
    expect(await timeOf("engine")).toBe(0);
    expect(await timeOf(false)).toBe(0);
    const { status } = await draw(true);
    expect(status.attentionNs).toBeLessThan(status.decodeNs);
  });

  test("gives the log-probabilities that the engine's gives", async () => {
    const { texts, scored } = await draw(true);
    for (const choice of ["engine", false] as const) {
      const other = await draw(choice, texts);
      expect(largestDifference(scored, other.scored)).toBeLessThan(ROUNDING);
    }
    const shifted = await draw(true, [...texts.slice(1), ...texts.slice(0, 1)]);
    expect(largestDifference(scored, shifted.scored.slice(0, scored.length))).toBeGreaterThan(1);
  });

  test("scores texts as it drew them", async () => {
    const { drawn, scored } = await draw(true);
    expect(largestDifference(drawn, scored)).toBeLessThan(ROUNDING);
  });
});
