/** A device's memory, logits, forks and aborts. */
import { beforeAll, expect, test } from "vitest";
import type { Context } from "../../src/engine/local/context.js";
import { gpusAmong } from "../../src/engine/local/free-memory.js";
import type { LocalSequence } from "../../src/engine/local/local-sequence.js";
import type { LocalModel } from "../../src/engine/local/model.js";
import { addon } from "../../src/engine/local/native.js";
import { resolveSampling, type SamplingOptions } from "../../src/engine/sampling.js";
import { plan } from "../../src/methods/plan.js";
import { UNLIMITED } from "../fixtures/generation.js";
import { loadLocal, QUESTION } from "../fixtures/models.js";
import { endlessTokens } from "../fixtures/precise-model.js";
import { largestDifference } from "../fixtures/rounding.js";
import { describeOnVulkan, useOnVulkan } from "./device.js";

/** In logits or nats; a device rounds to 16 bits in more places. Another text moves whole units. */
const ROUNDING = 0.4;
/** The smallest one: a decode takes as long as its operations have to wait for each other. */
const MODEL = "mini-gsm-proposal";

async function lease(model: LocalModel): Promise<Context> {
  return model.lease({ cells: 512, sequences: 12, batchTokens: 64 });
}

async function logitsAfter(model: LocalModel, tokens: Int32Array): Promise<Float32Array> {
  const context = await lease(model);
  try {
    const sequence = await context.create();
    await sequence.prefill(tokens);
    return await sequence.logits();
  } finally {
    await model.release(context);
  }
}

interface Drawn {
  count: number;
  maxTokens: number;
  keep?: boolean;
  sampling?: SamplingOptions;
}

describeOnVulkan("a model on a Vulkan device", () => {
  const model = useOnVulkan(MODEL);
  let context: Context;
  let prompt: Int32Array;
  let parent: LocalSequence;
  beforeAll(async () => {
    prompt = (await model().encodePrompt(QUESTION)).tokens;
    context = await lease(model());
    parent = await context.create();
    await parent.prefill(prompt);
  });

  const generate = (count: number, maxTokens: number, keep = false) =>
    generateIn(context, parent, { count, maxTokens, keep });
  const generateIn = (
    own: Context,
    from: LocalSequence,
    { count, maxTokens, keep = false, sampling = {} }: Drawn,
  ) =>
    own.generate({
      draws: Array.from({ length: count }, (_, i) => ({
        parent: from,
        position: 0,
        maxTokens,
        keep,
        text: new Int32Array(),
        stream: [0, i, 0] as [number, number, number],
      })),
      sampling: resolveSampling(sampling, model().info.vocabSize),
      key: [1, 0],
      ...UNLIMITED,
      sharePrefixes: false, // batches of one size: each has shaders of its own
    });

  test("says where it is, and that its attention is the engine's", () => {
    const { engine, place, devices, sharesAttention } = model().describe();
    expect(engine.gpu).toBe("vulkan");
    expect(place).toBe("gpu");
    expect(devices.map(({ type }) => type)).toContain("cpu");
    expect(devices.some(({ type }) => type === "gpu" || type === "integrated-gpu")).toBe(true);
    expect(sharesAttention).toBe(false);
    expect(addon().attention()).toMatchObject({
      isThere: false,
      reason: expect.stringMatching(/^a GPU is there \(Vulkan0\)/),
    });
  });

  test("is planned by the device's memory; one on the CPU beside it by the machine's", async () => {
    const { place, bytes, mappedBytes } = model().freeMemory();
    const totals = gpusAmong(addon().devices()).map(({ totalBytes }) => totalBytes);
    expect({ place, mappedBytes }).toEqual({ place: "gpu", mappedBytes: 0 });
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThanOrEqual(totals.reduce((a, b) => a + b, 0));
    const onCpu = { place: "cpu", mappedBytes: model().info.sizeBytes };
    for (const options of [{ gpu: false }, { gpuLayers: 0 }] as const) {
      await using beside = await loadLocal(MODEL, { threads: 1, ...options });
      expect(beside.freeMemory()).toMatchObject(onCpu);
      expect(beside.limits.parallel).toBeLessThan(model().limits.parallel);
    }
    // 64 rollouts: all at once on the device, where a small model on a CPU gains nothing by that.
    const wide = { method: "ets", candidates: 8, rollouts: 8, maxTokens: 100 } as const;
    const planned = await plan(model(), QUESTION, wide);
    expect(planned.model).toMatchObject({ parallel: 64, waves: 1 });
  });

  test("has the logits of the same file on the CPU, with all of its layers or with some", async () => {
    const own = await parent.logits();
    for (const [options, place] of [
      [{ gpu: false }, "cpu"],
      [{ gpuLayers: 2 }, "gpu"],
    ] as const) {
      await using other = await loadLocal(MODEL, { threads: 1, ...options });
      expect(other.describe().place).toBe(place);
      expect(largestDifference(own, await logitsAfter(other, prompt))).toBeLessThan(ROUNDING);
    }
    // The twin: another text's.
    const wrong = await logitsAfter(model(), prompt.slice(0, 8));
    expect(largestDifference(own, wrong)).toBeGreaterThan(2 * ROUNDING);
  });

  test("draws from the logits of a text read anew: forks are decoded together, freed and made again", async () => {
    const free = async (texts: Awaited<ReturnType<typeof generate>>) => {
      for (const { sequence } of texts) await sequence?.[Symbol.asyncDispose]();
    };
    await free(await generate(8, 1, true));
    const drawn = await generate(8, 2, true);
    const kept = drawn.filter((text) => text.sequence !== null);
    expect(kept.length).toBeGreaterThan(0);
    for (const { sequence, tokens } of kept.slice(0, 2)) {
      const fresh = await context.create();
      await fresh.prefill(Int32Array.of(...prompt, ...tokens));
      const own = await (sequence as LocalSequence).logits();
      expect(largestDifference(own, await fresh.logits())).toBeLessThan(ROUNDING);
      // The twin: a fork that had its parent's state would have its logits.
      expect(largestDifference(own, await parent.logits())).toBeGreaterThan(2 * ROUNDING);
      await fresh[Symbol.asyncDispose]();
    }
    await free(drawn);
  });

  test("reports log-probabilities that a teacher-forced pass has too", async () => {
    const drawn = await generate(8, 4);
    const requests = drawn.map(({ tokens }) => ({ parent, tokens }));
    const meanGap = async (temperature: number) => {
      const policy = resolveSampling({ temperature }, model().info.vocabSize);
      const scores = await context.score(requests, policy);
      const gaps = drawn.flatMap(({ logProbs }, i) =>
        Array.from(logProbs, (x, j) => Math.abs(x - (scores[i]?.logProbs[j] as number))),
      );
      return gaps.reduce((a, b) => a + b, 0) / gaps.length;
    };
    expect(await meanGap(1)).toBeLessThan(0.02);
    expect(await meanGap(3)).toBeGreaterThan(0.1); // the twin
  });

  test("draws from rows that stay on the device what it draws from rows on the host", async () => {
    const onHost = await generate(8, 4);
    await using other = await loadLocal(MODEL, { gpu: "vulkan", threads: 1, sampling: "device" });
    const own = await lease(other);
    const start = await own.create();
    await start.prefill(prompt);
    const onDevice = await generateIn(own, start, { count: 8, maxTokens: 4 });
    expect((await own.status()).deviceDraws).toBe((await own.status()).generated - 8);
    expect((await context.status()).deviceDraws).toBe(0);
    // The same batches on the same device: rounding of the sums alone may turn a draw.
    const texts = (drawn: typeof onHost) => drawn.map(({ tokens }) => [...tokens].join(" "));
    const same = texts(onHost).filter((text, i) => text === texts(onDevice)[i]);
    expect(same.length).toBeGreaterThanOrEqual(6);
    for (const [i, { tokens, logProbs }] of onDevice.entries()) {
      if (texts(onHost)[i] !== [...tokens].join(" ")) continue;
      for (const [j, logProb] of logProbs.entries()) {
        expect(Math.abs(logProb - (onHost[i]?.logProbs[j] as number))).toBeLessThan(1e-4);
      }
    }
    await other.release(own);
  });

  test("is aborted between batches, keeps nothing, and goes on", async () => {
    const before = await parent.logits();
    const allowedTokens = endlessTokens(model());
    const long = { count: 1, maxTokens: 400, sampling: { allowedTokens } };
    const running = generateIn(context, parent, long);
    const isAborted = expect(running).rejects.toMatchObject({ code: "ERR_ABORTED" });
    while (context.progress === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    context.abort();
    await isAborted;
    const fork = await parent.fork();
    const reading = fork.prefill(new Int32Array(400).fill(9)); // seven batches
    context.abort();
    await expect(reading).rejects.toMatchObject({ code: "ERR_ABORTED" });
    await fork[Symbol.asyncDispose]();
    expect(await parent.logits()).toEqual(before);
    expect(await generate(2, 2)).toHaveLength(2);
  });
});
