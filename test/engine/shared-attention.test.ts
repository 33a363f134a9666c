/** Attention of our own, where the processor has it, in real contexts. */
import { describe, expect, test } from "vitest";
import type { FlashAttention } from "../../src/engine/engine.js";
import type { LocalModel } from "../../src/engine/local/model.js";
import { addon, SHARED_ATTENTION } from "../../src/engine/local/native.js";
import { resolveOnlySampling } from "../../src/engine/sampling.js";
import { plan } from "../../src/methods/plan.js";
import { UNLIMITED } from "../fixtures/generation.js";
import { encodeGguf } from "../fixtures/gguf-writer.js";
import { loadLocal, QUESTION, useModel } from "../fixtures/models.js";
import { largestDifference, ROUNDING } from "../fixtures/rounding.js";
import { temporaryFile } from "../fixtures/temporary-directory.js";
import { tinyGemma2 } from "../fixtures/tiny-models.js";

const model = useModel();
const HALVES = new Uint16Array(8);
const SHAPE = {
  rows: 1,
  heads: 1,
  kvHeads: 1,
  keySize: 8,
  valueSize: 8,
  cells: 1,
  scale: 1,
  softcap: 0,
  together: 1,
};
/** Tests run on the CPU: there the kernel is used where the processor has it. */
const HAS_KERNEL =
  addon().attend(SHAPE, new Float32Array(8), HALVES, HALVES, HALVES.slice(0, 1)) !== null;
const LENGTH = 24;
const TEXTS = 12;

/** Texts drawn side by side, their log-probabilities as drawn and as scored, and times. */
async function draw(flashAttention: FlashAttention) {
  const context = await model().lease({ cells: 1024, sequences: 32, flashAttention });
  try {
    const parent = await context.create();
    const { tokens } = await model().encodePrompt(QUESTION);
    await parent.prefill(tokens);
    const sampling = resolveOnlySampling({ temperature: 1 }, model().info.vocabSize);
    const draws = Array.from({ length: TEXTS }, (_, i) => ({
      parent,
      stream: [0, i, 0] as [number, number, number],
      position: 0,
      maxTokens: LENGTH,
      keep: false,
      text: new Int32Array(),
    }));
    const request = { ...UNLIMITED, draws, sampling, key: [7, 0] as [number, number] };
    const drawn = await context.generate({ ...request, sharePrefixes: false });
    const scored = await context.score(
      drawn.map(({ tokens }) => ({ parent, tokens })),
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

/** Log-probabilities of texts side by side after one prompt. */
async function score(
  scorer: LocalModel,
  flashAttention: FlashAttention,
  prompt: Int32Array,
  texts: readonly Int32Array[],
): Promise<number[]> {
  const context = await scorer.lease({ cells: 512, sequences: 16, flashAttention });
  try {
    const parent = await context.create();
    await parent.prefill(prompt);
    const scored = await context.score(
      texts.map((tokens) => ({ parent, tokens })),
      resolveOnlySampling({ temperature: 1 }, scorer.info.vocabSize),
    );
    return scored.flatMap((text) => [...text.logProbs]);
  } finally {
    await scorer.release(context);
  }
}

describe("a context's attention", () => {
  test("is our own where the processor has it, unless the engine's is asked for", async () => {
    const isThere = addon()
      .devices()
      .some(({ name }) => name === SHARED_ATTENTION);
    expect(isThere).toBe(HAS_KERNEL);
    const timeOf = async (choice: FlashAttention) => (await draw(choice)).status.attentionNs;
    expect((await timeOf(true)) > 0).toBe(isThere);
    expect((await timeOf("auto")) > 0).toBe(isThere);
    expect(await timeOf("engine")).toBe(0);
    expect(await timeOf(false)).toBe(0);
    const { status } = await draw(true);
    expect(status.attentionNs).toBeLessThan(status.decodeNs);
  });

  test("is planned for every run where it is our own, whatever the engine's would pay", async () => {
    const long = QUESTION.repeat(10);
    const planned = await plan(model(), long, { candidates: 4, blockTokens: 16, maxTokens: 32 });
    expect(planned.model.flashAttention).toBe(HAS_KERNEL && "auto");
    const { model: scorer } = await plan(model(), long, {
      method: "ets-is",
      proposal: model(),
      candidates: 4,
      blockTokens: 16,
      maxTokens: 32,
    });
    expect(scorer.flashAttention).toBe(HAS_KERNEL && "shared");
  });

  test("gives the log-probabilities that the engine's gives", async () => {
    const { texts, scored } = await draw(true);
    const { tokens: prompt } = await model().encodePrompt(QUESTION);
    const scoreAll = (choice: FlashAttention, all: readonly Int32Array[]) =>
      score(model(), choice, prompt, all);
    for (const choice of ["engine", false] as const) {
      expect(largestDifference(scored, await scoreAll(choice, texts))).toBeLessThan(ROUNDING);
    }
    const shifted = await scoreAll(true, [...texts.slice(1), ...texts.slice(0, 1)]);
    expect(largestDifference(scored, shifted)).toBeGreaterThan(1);
  });

  test("scores texts as it drew them", async () => {
    const { drawn, scored } = await draw(true);
    expect(largestDifference(drawn, scored)).toBeLessThan(ROUNDING);
  });

  test.skipIf(!HAS_KERNEL)(
    "is the same to the last bit in cells that other texts left",
    async () => {
      const sampling = resolveOnlySampling({ temperature: 1 }, model().info.vocabSize);
      const text = model().tokenize(QUESTION.repeat(2));
      const [head, tail] = [text.slice(0, 20), text.slice(20, 50)];
      const scoreTail = async (others: number) => {
        const needs = { cells: 512, sequences: 16, flashAttention: "own" } as const;
        const context = await model().lease(needs);
        try {
          // They grow side by side, and end once the text has its first cells behind theirs.
          const before = await Promise.all(Array.from({ length: others }, () => context.create()));
          for (const token of others > 0 ? text : []) {
            await context.prefill(
              before.map((sequence) => ({ sequence, tokens: Int32Array.of(token) })),
            );
          }
          const parent = await context.create();
          await parent.prefill(head);
          for (const sequence of before.slice(1)) await sequence[Symbol.asyncDispose]();
          const [scored] = await context.score([{ parent, tokens: tail }], sampling);
          return [...(scored?.logProbs ?? [])];
        } finally {
          await model().release(context);
        }
      };
      const alone = await scoreTail(0);
      expect(await scoreTail(2)).toEqual(alone);
      expect(await scoreTail(5)).toEqual(alone);
    },
  );

  describe("with capped scores, shared key heads and windows", () => {
    const numbers = (length: number, seed: number) =>
      Int32Array.from({ length }, (_, i) => 5 + (((seed + i) * 7919) % 800));
    const prompt = numbers(20, 0);
    const texts = Array.from({ length: 5 }, (_, i) => numbers(12, 100 * i + 1));
    const load = (head?: number) =>
      loadLocal(temporaryFile(`gemma2-${head}.gguf`, encodeGguf(tinyGemma2(head))), {});

    test("gives the engine's log-probabilities", async () => {
      await using gemma = await load();
      const ours = await score(gemma, true, prompt, texts);
      expect(await score(gemma, "shared", prompt, texts)).toEqual(
        HAS_KERNEL ? ours : await score(gemma, false, prompt, texts),
      );
      for (const choice of ["engine", false] as const) {
        const others = await score(gemma, choice, prompt, texts);
        expect(largestDifference(ours, others)).toBeLessThan(ROUNDING);
      }
      const after = await score(gemma, true, numbers(20, 1), texts);
      expect(largestDifference(ours, after)).toBeGreaterThan(10 * ROUNDING);
    });

    test("is the engine's for heads of sizes that ours has no vectors for", async () => {
      await using gemma = await load(12);
      const engines = await score(gemma, "engine", prompt, texts);
      expect(await score(gemma, true, prompt, texts)).toEqual(engines);
      const product = await score(gemma, false, prompt, texts);
      expect(await score(gemma, "shared", prompt, texts)).toEqual(product);
      expect(product).not.toEqual(engines);
      await expect(score(gemma, "own", prompt, texts)).rejects.toMatchObject({
        code: "ERR_UNSUPPORTED_MODEL",
      });
    });
  });
});
