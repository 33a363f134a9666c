/**
 * Hybrid and recurrent models: their texts can't be cut back, and what a prefill that was aborted does to
 * them. That their forks are sound is for fork-probe.test.ts.
 */
import { setTimeout as wait } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Context } from "../../src/engine/local/context.js";
import type { LocalSequence } from "../../src/engine/local/local-sequence.js";
import type { LocalModel } from "../../src/engine/local/model.js";
import { mh } from "../../src/methods/mh.js";
import { encodeGguf, type Gguf } from "../fixtures/gguf-writer.js";
import { loadLocal } from "../fixtures/models.js";
import { temporaryFile } from "../fixtures/temporary-directory.js";
import { tinyGemma2 } from "../fixtures/tiny-models.js";
import { tinyJamba, tinyLfm2, tinyMamba, tinyMamba2 } from "../fixtures/tiny-recurrent-models.js";

const SEQUENCES = 10;
const models: [string, Gguf][] = [
  ["mamba", tinyMamba()],
  ["mamba2", tinyMamba2()],
  ["jamba", tinyJamba()],
  ["lfm2", tinyLfm2()],
];

/** A text in a context with others. */
interface Grown {
  sequence: LocalSequence;
  tokens: number[];
}

describe.each(models)("%s", (name, gguf) => {
  let model: LocalModel;
  let context: Context;
  let next = 1;
  /** Tokens in an order that looks random and is always the same. */
  const anyToken = () => {
    next = (next * 48271) % (2 ** 31 - 1);
    return next % model.info.vocabSize;
  };
  const anyText = (length: number) => Array.from({ length }, anyToken);

  beforeAll(async () => {
    const file = temporaryFile(`${name}.gguf`, encodeGguf(gguf));
    model = await loadLocal(file, { gpu: false, threads: 1 });
    context = await model.lease({ cells: 65_536, sequences: SEQUENCES, batchTokens: 64 });
  });
  afterAll(() => model.dispose());

  const begin = async (tokens: number[]): Promise<Grown> => {
    const sequence = await context.create();
    await sequence.prefill(Int32Array.from(tokens));
    return { sequence, tokens };
  };
  const fork = async ({ sequence, tokens }: Grown): Promise<Grown> => {
    return { sequence: await sequence.fork(), tokens: [...tokens] };
  };
  /** A token more for each, in one batch. */
  const grow = async (texts: readonly Grown[]) => {
    const requests = texts.map(({ sequence, tokens }) => {
      tokens.push(anyToken());
      return { sequence, tokens: Int32Array.from(tokens.slice(-1)) };
    });
    await context.prefill(requests);
  };
  const free = (texts: readonly Grown[]) =>
    Promise.all(texts.map(({ sequence }) => sequence[Symbol.asyncDispose]()));
  /** A text's logits in a fresh context of its own, read token by token. */
  const alone = async ({ tokens }: Pick<Grown, "tokens">) => {
    const own = await model.lease({ cells: 256, sequences: 1, batchTokens: 64 });
    const sequence = await own.create();
    for (const token of tokens) await sequence.prefill(Int32Array.of(token));
    const row = await sequence.logits();
    await own[Symbol.asyncDispose]();
    return row;
  };
  const logitsOf = (texts: readonly Grown[]) =>
    Promise.all(texts.map(({ sequence }) => sequence.logits()));

  async function expectEachAlone(texts: readonly Grown[]) {
    const rows = await logitsOf(texts);
    const expected: Float32Array[] = [];
    for (const text of texts) expected.push(await alone(text));
    const own = rows.map((row, i) => difference(row, expected[i] as Float32Array));
    const others = rows.flatMap((row, i) =>
      expected.filter((_, k) => k !== i).map((other) => difference(row, other)),
    );
    expect(median(others)).toBeGreaterThan(0.5);
    expect(median(own)).toBeLessThan(0.02 * median(others));
    expect(Math.max(...own)).toBeLessThan(Math.min(...others));
  }

  test("says that its texts can't be cut back, and refuses to", async () => {
    expect(model.can.cut).toBe(false);
    expect(context.rewind).toBe("tip");
    const text = await begin(anyText(9));
    await expect(text.sequence.truncate(5)).rejects.toMatchObject({
      code: "ERR_UNSUPPORTED_MODEL",
    });
    await expectEachAlone([text, await begin(anyText(4))]);
    await context.clear();
  });

  test("an aborted prefill loses the text it was of, and no other", async () => {
    const parent = await begin(anyText(30));
    const others = [await fork(parent), await begin(anyText(12))];
    await grow(others);
    const before = await context.status();
    const long = Int32Array.from(anyText(40_000));
    // An abort that comes before the first decode harms nothing; a later one is met within some tries.
    for (let delay = 4; ; delay += 4) {
      const text = await fork(parent);
      const reading = expect(text.sequence.prefill(long)).rejects.toMatchObject({
        code: "ERR_ABORTED",
      });
      await wait(delay);
      context.abort();
      await reading;
      const error = await text.sequence.logits().catch((error: unknown) => error);
      await free([text]);
      if (error instanceof Error) {
        expect(error).toMatchObject({ code: "ERR_INVALID_STATE" });
        expect(error.message).toMatch(/lost when a prefill of it failed/);
        break;
      }
    }
    const { usedCells, freeSequences } = await context.status();
    expect({ usedCells, freeSequences }).toEqual({
      usedCells: before.usedCells,
      freeSequences: before.freeSequences,
    });
    const again = await fork(parent);
    await grow([again, ...others]);
    await expectEachAlone([parent, again, ...others]);
    await context.clear();
  });
});

/** llama.cpp gives cells that a sliding window has passed to other tokens. */
test("texts of a sliding window can't be cut back, and mh draws them as they are scored", async () => {
  const file = temporaryFile("gemma2.gguf", encodeGguf(tinyGemma2()));
  await using model = await loadLocal(file, { gpu: false, threads: 1 });
  const context = await model.lease({ cells: 256, sequences: 2, batchTokens: 64 });
  expect(context.rewind).toBe("tip");
  const sequence = await context.create();
  await sequence.prefill(Int32Array.from({ length: 20 }, (_, i) => 40 + i));
  await expect(sequence.truncate(10)).rejects.toMatchObject({ code: "ERR_UNSUPPORTED_MODEL" });
  await model.release(context);
  const policy = { temperature: 1 };
  for (let seed = 0; seed < 8; seed++) {
    const own = { raw: true, maxTokens: 24, candidates: 4, reward: () => 0, seed } as const;
    const { tokens, logProbs } = await mh(model, "Noah has 4 apples", { ...policy, ...own });
    const [scored] = await model.score("Noah has 4 apples", [tokens], policy, { raw: true });
    const differences = logProbs.map((x, i) => Math.abs(x - (scored?.logProbs[i] as number)));
    expect(Math.max(...differences)).toBeLessThan(0.1);
  }
});

function difference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, x, i) => Math.max(most, Math.abs(x - (b[i] as number))), 0);
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] as number;
}
