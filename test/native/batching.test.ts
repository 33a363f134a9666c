/**
 * Continuous batching, counted: every number of decodes is that of a schedule which refills a place
 * the moment it comes free, and no token is decoded twice.
 */
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { addon } from "../../src/engine/local/native.js";
import type {
  ContextStatus,
  NativeContext,
  NativeGenerateRequest,
} from "../../src/engine/local/native-context.js";
import type { NativeModel } from "../../src/engine/local/native-model.js";
import { openEngine } from "../../src/engine/local/open-engine.js";
import { PLAIN } from "../fixtures/sampling.js";

const MODEL = fileURLToPath(new URL("../../models/mini-gsm-proposal.gguf", import.meta.url));
const PROMPT = Int32Array.of(10, 20, 30, 40, 50, 60, 70, 80);
/** None of these ends a text, so that a continuation is as long as it may be. */
const ENDLESS = { ...PLAIN, allowedTokens: Int32Array.of(5, 6, 7, 8) };

let model: NativeModel;
let context: NativeContext;
let parent: number;
beforeAll(async () => {
  await openEngine(false);
  model = await addon().loadModel({
    path: MODEL,
    gpuLayers: 0,
    cachesDiffusion: true,
    onProgress() {},
  }).promise;
});
afterAll(() => model.close());
afterEach(() => context.close());

/** A context with the prompt, and places and cells for continuations beside it. */
async function open(places: number, cells = 2048): Promise<void> {
  context = new (addon().Context)();
  await context.open(model, {
    cells: cells + PROMPT.length,
    maxSequences: places + 1,
    batchSize: 256,
    maxOutputs: 256,
    threads: 1,
    flashAttention: -1,
  });
  parent = await context.create();
  await context.prefill([{ sequence: parent, tokens: PROMPT }]);
}

type Draw = NativeGenerateRequest["draws"][number];

/** Draws continuations of these lengths at most; returns them and what the counters rose by. */
async function generate(lengths: number[], options: Partial<NativeGenerateRequest & Draw> = {}) {
  const before = await context.status();
  const continuations = await context.generate({
    draws: lengths.map((maxTokens, i) => ({
      parent: options.parent ?? parent,
      stream: [0, i, 0],
      position: 0,
      maxTokens,
      keep: options.keep ?? false,
      keepEnded: options.keepEnded ?? false,
      text: new Int32Array(),
    })),
    sampling: ENDLESS,
    key: [3, 4],
    stopStrings: [],
    stopTokens: new Int32Array(),
    answerEnd: null,
    maxTotalTokens: 1e9,
    sharePrefixes: false,
    timeLimitMs: null,
    ...options,
  });
  const after = await context.status();
  const rise = (key: keyof ContextStatus) => (after[key] ?? 0) - (before[key] ?? 0);
  return { continuations, rise };
}

/** Decodes of a schedule that starts what fits, in order, and refills places at once. */
function refilling(lengths: number[], places: number, cells = Number.POSITIVE_INFINITY): number {
  const waiting = [...lengths];
  let running: { left: number; cells: number }[] = [];
  for (let decodes = 0; ; decodes++) {
    for (let i = 0; i < waiting.length && running.length < places; ) {
      // The first token comes from the parent's logits, and the last is not decoded.
      const needed = (waiting[i] as number) - 1;
      const held = running.reduce((sum, r) => sum + r.cells, 0);
      if (needed > cells - held) i++;
      else {
        waiting.splice(i, 1);
        if (needed > 0) running.push({ left: needed, cells: needed });
      }
    }
    if (running.length === 0) return decodes;
    for (const one of running) one.left--;
    running = running.filter(({ left }) => left > 0);
  }
}

/** Decodes of a schedule that waits for a whole wave to finish. */
function inWaves(lengths: number[], places: number): number {
  let decodes = 0;
  for (let i = 0; i < lengths.length; i += places) {
    decodes += Math.max(...lengths.slice(i, i + places)) - 1;
  }
  return decodes;
}

const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
const LENGTHS = Array.from({ length: 40 }, (_, i) => 1 + ((i * 17) % 23));

describe("a place that comes free", () => {
  test.each([1, 3, 8, 40])("of %i is refilled before the next decode", async (places) => {
    await open(places);
    const { continuations, rise } = await generate(LENGTHS);
    expect(continuations.map(({ tokens }) => tokens.length)).toEqual(LENGTHS);
    expect(rise("decodes")).toBe(refilling(LENGTHS, places));
    // The twin: waves are told apart, where places are fewer than continuations.
    if (places > 1 && places < LENGTHS.length) {
      expect(rise("decodes")).toBeLessThan(inWaves(LENGTHS, places));
    }
  });

  test("by a continuation that ends where it likes is refilled too", async () => {
    await open(4);
    const { continuations, rise } = await generate(new Array<number>(200).fill(30), {
      sampling: { ...PLAIN, temperature: 50 },
      // It stands in a tenth of the vocabulary: some texts end with their first token, at any seed.
      stopStrings: ["i"],
      stopTokens: new Int32Array(),
    });
    const lengths = continuations.map(({ tokens }) => tokens.length);
    expect(new Set(lengths).size).toBeGreaterThan(10);
    expect(lengths).toContain(1); // its place goes to the next at once, without a decode
    expect(rise("decodes")).toBe(refilling(lengths, 4));
  });

  test("is one of 256 at most, which are all used", async () => {
    await open(255, 255 * 3);
    const lengths = new Array<number>(300).fill(4);
    const { rise } = await generate(lengths);
    expect(rise("decodes")).toBe(6); // 255 at once, then 45
    expect(rise("decoded")).toBe(300 * 3);
  });
});

describe("KV cells", () => {
  test("limit how many run at once, and nothing else does", async () => {
    await open(40, 100);
    const { rise } = await generate(LENGTHS);
    const { cells } = await context.status();
    expect(rise("decodes")).toBe(refilling(LENGTHS, 40, cells - PROMPT.length));
    expect(rise("decodes")).toBeGreaterThan(refilling(LENGTHS, 40));
    expect((await context.status()).usedCells).toBe(PROMPT.length);
  });

  test("that are too few for one don't hold back a smaller one behind it", async () => {
    await open(8, 248); // 256 in all, which llama.cpp doesn't round
    const lengths = [200, 200, 10, 10, 10];
    const { continuations, rise } = await generate(lengths);
    expect(continuations.map(({ tokens }) => tokens.length)).toEqual(lengths);
    expect(rise("decodes")).toBe(2 * 199); // the small ones ran beside the first
  });

  test("that could never suffice are missed before anything is decoded", async () => {
    await open(8, 248);
    const before = await context.status();
    await expect(generate([10, 10, 500])).rejects.toMatchObject({ code: "ERR_CONTEXT_FULL" });
    expect(await context.status()).toMatchObject({
      generated: before.generated,
      decodes: before.decodes,
      usedCells: PROMPT.length,
      sequences: 1,
    });
  });
});

describe("no token is decoded twice:", () => {
  test("the prompt once, a kept block once, a rollout's tokens but for the last once", async () => {
    await open(12);
    const blocks = await generate([6, 6, 6], { keep: true });
    expect(blocks.rise("decoded")).toBe(18);
    for (const { sequence } of blocks.continuations) {
      const rollouts = await generate([9, 5, 7, 9, 5, 7, 9, 5, 7, 9, 5, 7], { parent: sequence });
      expect(rollouts.rise("decoded")).toBe(sum([8, 4, 6]) * 4);
      expect(rollouts.rise("forks")).toBe(12);
      expect(rollouts.rise("prefilled")).toBe(0);
    }
    const { prefilled, usedCells } = await context.status();
    expect([prefilled, usedCells]).toEqual([PROMPT.length, PROMPT.length + 18]);
  });
});

describe("the clock", () => {
  test("of a call covers its decodes and its sampling", async () => {
    await open(8);
    const drawn = await generate(LENGTHS);
    expect(drawn.rise("decodeNs")).toBeGreaterThan(0);
    expect(drawn.rise("samplingNs")).toBeGreaterThan(0);
    const parts = drawn.rise("decodeNs") + drawn.rise("samplingNs");
    expect(drawn.rise("callNs")).toBeGreaterThanOrEqual(parts);
    const before = await context.status();
    await context.score([{ parent, tokens: PROMPT, keep: false }], PLAIN);
    const after = await context.status();
    expect(after.samplingNs).toBeGreaterThan(before.samplingNs);
    expect(after.decodeNs).toBeGreaterThan(before.decodeNs);
  });

  test("and the counters don't see the decodes that are timed to choose threads", async () => {
    await open(8);
    const before = await context.status();
    expect(await context.timeDecodes(1, 3, 1e9)).toHaveLength(3);
    expect(await context.status()).toEqual(before);
  });
});
