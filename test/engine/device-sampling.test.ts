/** Draws from rows of logits that stay where they were computed: here on the CPU, as on a device. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Context } from "../../src/engine/local/context.js";
import type { LocalSequence } from "../../src/engine/local/local-sequence.js";
import type { LocalModel } from "../../src/engine/local/model.js";
import { resolveSampling, type SamplingOptions } from "../../src/engine/sampling.js";
import { ets } from "../../src/methods/ets.js";
import { UNLIMITED } from "../fixtures/generation.js";
import { encodeGguf, type Gguf, tensor } from "../fixtures/gguf-writer.js";
import { loadLocal } from "../fixtures/models.js";
import { uniforms } from "../fixtures/table-engine/philox.js";
import { temporaryFile } from "../fixtures/temporary-directory.js";
import { enlarged, tinyGemma2, tinyLlada, tinyQwen3, WIDTH } from "../fixtures/tiny-models.js";
import { tinyMamba } from "../fixtures/tiny-recurrent-models.js";

/** Three blocks of 1,024 tokens, the last one short. */
const VOCABULARY = 2500;
const KEY = [1, 0] as const;

/** A model of 32 bits: what else is in a batch changes logits by a millionth. */
function wideVocabulary(): Gguf {
  const { metadata, tensors } = tinyQwen3();
  for (const [key, filler] of [
    ["tokenizer.ggml.tokens", (i: number) => `<filler ${i}>`],
    ["tokenizer.ggml.token_type", () => 1],
  ] as const) {
    const list = metadata.get(key);
    if (list?.type !== "array") throw new Error(`Expected the list ${key}`);
    const more = Array.from({ length: VOCABULARY - list.values.length }, (_, i) => filler(i));
    metadata.set(key, { ...list, values: [...list.values, ...more] } as typeof list);
  }
  const others = tensors.filter(({ name }) => name !== "token_embd.weight");
  const embedding = tensor("token_embd.weight", [WIDTH, VOCABULARY]);
  return { metadata, tensors: [embedding, ...others].map((one) => enlarged(one, 4)) };
}

const fileOf = (name: string, gguf: Gguf) => temporaryFile(`${name}.gguf`, encodeGguf(gguf));
const load = (file: string, sampling: "host" | "device") =>
  loadLocal(file, { gpu: false, threads: 1, sampling });

let host: LocalModel;
let device: LocalModel;
beforeAll(async () => {
  const file = fileOf("wide", wideVocabulary());
  [host, device] = [await load(file, "host"), await load(file, "device")];
});
afterAll(async () => {
  await host.dispose();
  await device.dispose();
});

const PROMPT = Int32Array.of(5, 6, 7);

interface Draws {
  count?: number;
  maxTokens?: number;
  sampling?: SamplingOptions;
  own?: Partial<Parameters<Context["generate"]>[0]>;
}

function generate(
  context: Context,
  parent: LocalSequence,
  { count = 24, maxTokens = 5, sampling = { temperature: 1 }, own = {} }: Draws = {},
) {
  return context.generate({
    draws: Array.from({ length: count }, (_, i) => ({
      parent,
      stream: [0, i, 0] as const,
      position: 0,
      maxTokens,
      keep: false,
      text: new Int32Array(),
    })),
    sampling: resolveSampling(sampling, VOCABULARY),
    key: KEY,
    ...UNLIMITED,
    ...own,
  });
}

/** Texts drawn by a model, and how many of their tokens came from rows on the device. */
async function drawnBy(model: LocalModel, draws: Draws = {}) {
  const context = await model.lease({ cells: 1024, sequences: 32 });
  try {
    const parent = await context.create();
    await parent.prefill(PROMPT);
    const { deviceDraws: before } = await context.status();
    const texts = await generate(context, parent, draws);
    return { texts, deviceDraws: (await context.status()).deviceDraws - before };
  } finally {
    await model.release(context);
  }
}

/** Where two samplers' texts part, and how far their log-probabilities are apart before. */
function compare(a: Awaited<ReturnType<typeof generate>>, b: typeof a) {
  let gap = 0;
  const same = a.filter((text, i) => {
    const other = b[i] as (typeof a)[number];
    const parted = text.tokens.findIndex((token, j) => token !== other.tokens[j]);
    const end = parted < 0 ? text.tokens.length : parted;
    for (const name of ["logProbs", "rawLogProbs"] as const) {
      for (let j = 0; j < end; j++) {
        gap = Math.max(gap, Math.abs((text[name][j] as number) - (other[name][j] as number)));
      }
    }
    return parted < 0;
  });
  return { same: same.length / a.length, gap };
}

describe("sampling on the device", () => {
  test.each([0.5, 1, 2])(
    "inverts the cumulative distribution at the draws' uniform numbers: T = %d",
    async (temperature) => {
      const context = await device.lease({ cells: 1024, sequences: 32 });
      const parent = await context.create();
      await parent.prefill(PROMPT);
      const before = (await context.status()).deviceDraws;
      const texts = await generate(context, parent, {
        count: 12,
        maxTokens: 3,
        sampling: { temperature },
      });
      expect((await context.status()).deviceDraws - before).toBe(12 * 2); // the first ones are the parent's
      let misses = 0;
      for (const [i, { tokens }] of texts.entries()) {
        const reader = await parent.fork();
        for (const [position, token] of tokens.entries()) {
          // So near to a line between tokens that rounding may cross it.
          const [low, high] = cumulative(await reader.logits(), token, temperature);
          const [u] = uniforms([0, i, 0], position, KEY);
          expect(u).toBeGreaterThan(low - 1e-4);
          expect(u).toBeLessThan(high + 1e-4);
          const [wrongLow, wrongHigh] = cumulative(await reader.logits(), token, temperature * 1.3);
          misses += u < wrongLow - 1e-4 || u > wrongHigh + 1e-4 ? 1 : 0;
          await reader.prefill(Int32Array.of(token));
        }
        await reader[Symbol.asyncDispose]();
      }
      await device.release(context);
      expect(misses).toBeGreaterThan(6); // the twin: another temperature's lines are elsewhere
    },
  );

  test("gives the host's tokens and log-probabilities, to rounding", async () => {
    const [ours, theirs] = [await drawnBy(device), await drawnBy(host)];
    expect(ours.deviceDraws).toBeGreaterThan(0);
    expect(theirs.deviceDraws).toBe(0);
    const { same, gap } = compare(ours.texts, theirs.texts);
    expect(gap).toBeLessThan(1e-4);
    expect(same).toBeGreaterThan(0.9);
  });

  test.each<[string, Draws]>([
    ["top-k", { sampling: { temperature: 1, topK: 50 } }],
    ["top-p", { sampling: { temperature: 1, topP: 0.9 } }],
    ["min-p", { sampling: { temperature: 1, minP: 0.01 } }],
    ["allowed tokens", { sampling: { temperature: 1, allowedTokens: [9, 30, 2400] } }],
    ["no temperature", { sampling: { temperature: 0 } }],
    ["entropies", { own: { metrics: ["entropies"] } }],
    ["a power", { own: { power: 3 } }],
  ])("leaves a policy with %s to the host", async (_, draws) => {
    const [ours, theirs] = [await drawnBy(device, draws), await drawnBy(host, draws)];
    expect(ours.deviceDraws).toBe(0);
    const { same, gap } = compare(ours.texts, theirs.texts);
    expect(gap).toBeLessThan(1e-4);
    expect(same).toBeGreaterThan(0.9);
  });

  test("finds the rows again after batches without any, and scores from them", async () => {
    const context = await device.lease({
      cells: 1024,
      sequences: 32,
      batchTokens: 32,
      outputs: 32,
    });
    const parent = await context.create();
    await parent.prefill(PROMPT);
    const once = await generate(context, parent);
    const other = await context.create();
    const tokens = Int32Array.from({ length: 27 }, (_, i) => 10 + i);
    await other.prefill(tokens); // a batch's last token alone has a row
    const again = await generate(context, parent);
    expect(compare(once, again)).toEqual({ same: 1, gap: 0 });
    const requests = once.map((text) => ({ parent, tokens: text.tokens }));
    const scores = await context.score(requests, resolveSampling({ temperature: 1 }, VOCABULARY));
    for (const [i, { logProbs }] of once.entries()) {
      for (const [j, logProb] of logProbs.entries()) {
        expect(Math.abs(logProb - (scores[i]?.logProbs[j] as number))).toBeLessThan(1e-4);
      }
    }
    await device.release(context);
  });

  test("serves ETS as the host does", async () => {
    const options = {
      candidates: 3,
      rollouts: 2,
      steps: 2,
      maxTokens: 8,
      temperature: 1,
      raw: true,
    };
    const run = (model: LocalModel) =>
      ets(model, PROMPT, { ...options, reward: ({ text }) => text.length });
    const [ours, theirs] = [await run(device), await run(host)];
    expect(ours.plan.model.memory.compute).toBeGreaterThan(theirs.plan.model.memory.compute);
    for (const { weights } of ours.steps) {
      expect(weights.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
    }
    expect(ours.tokens).toHaveLength(theirs.tokens.length);
  });

  test.each([
    ["a recurrent model", tinyMamba],
    ["a model that our attention has no way for", () => tinyGemma2(12)],
  ])("takes %s as it is", async (name, make) => {
    const file = fileOf(name.replaceAll(" ", "-"), make());
    const [a, b] = [await load(file, "device"), await load(file, "host")];
    const draw = async (model: LocalModel) => {
      const context = await model.lease({ cells: 256, sequences: 32 });
      const parent = await context.create();
      await parent.prefill(PROMPT);
      const sampling = resolveSampling({ temperature: 1 }, model.info.vocabSize);
      const texts = await generate(context, parent, { count: 4, own: { sampling } });
      await model.release(context);
      return texts;
    };
    expect(compare(await draw(a), await draw(b)).gap).toBeLessThan(1e-4);
    await a.dispose();
    await b.dispose();
  });

  test("takes a diffusion model as it is, and refuses what is no place", async () => {
    const file = fileOf("llada", tinyLlada());
    const diffusion = await load(file, "device");
    expect(diffusion.kind).toBe("diffusion");
    await diffusion.dispose();
    await expect(load(file, "gpu" as "host")).rejects.toMatchObject({ code: "ERR_INVALID_OPTION" });
  });
});

/** The cumulative probability before a token and with it. */
function cumulative(logits: Float32Array, token: number, temperature: number): [number, number] {
  const max = Math.max(...logits);
  const weights = Array.from(logits, (z) => Math.exp((z - max) / temperature));
  const sumTo = (end: number) => weights.slice(0, end).reduce((a, b) => a + b, 0);
  const total = sumTo(weights.length);
  return [sumTo(token) / total, sumTo(token + 1) / total];
}
