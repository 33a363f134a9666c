/** What continuations of one parent have in common is decoded once, and nothing else changes. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Context } from "../../src/engine/local/context.js";
import type { LocalSequence } from "../../src/engine/local/local-sequence.js";
import type { LocalModel } from "../../src/engine/local/model.js";
import { resolveSampling } from "../../src/engine/sampling.js";
import { UNLIMITED } from "../fixtures/generation.js";
import { QUESTION, useModel } from "../fixtures/models.js";
import { usePreciseModel } from "../fixtures/precise-model.js";
import { largestDifference, ROUNDING } from "../fixtures/rounding.js";

const bundled = useModel();
const precise = usePreciseModel();
let model: LocalModel;
let context: Context;
let parent: LocalSequence;
let promptLength: number;

/** Before each test, a context with the question read. */
function useContext(of: () => LocalModel): void {
  beforeEach(async () => {
    model = of();
    context = await model.lease({ cells: 4096, sequences: 40, flashAttention: false });
    parent = await context.create();
    const { tokens } = await model.encodePrompt(QUESTION);
    promptLength = tokens.length;
    await parent.prefill(tokens);
  });
  afterEach(() => model.release(context));
}

interface Options {
  temperature?: number;
  maxTokens?: (draw: number) => number;
  keep?: (draw: number) => boolean;
  stopStrings?: string[];
  maxTotalTokens?: number;
}

async function draw(count: number, sharePrefixes: boolean, options: Options = {}) {
  const { temperature = 0.8, maxTokens = () => 60, keep = () => false } = options;
  const before = await context.status();
  const drawn = await context.generate({
    draws: Array.from({ length: count }, (_, i) => ({
      parent,
      stream: [0, i, 0] as [number, number, number],
      position: 0,
      text: new Int32Array(),
      maxTokens: maxTokens(i),
      keep: keep(i),
    })),
    sampling: resolveSampling({ temperature }, model.info.vocabSize),
    key: [1, 0],
    ...UNLIMITED,
    stopStrings: options.stopStrings ?? UNLIMITED.stopStrings,
    maxTotalTokens: options.maxTotalTokens ?? UNLIMITED.maxTotalTokens,
    sharePrefixes,
  });
  const after = await context.status();
  return { drawn, decoded: after.decoded - before.decoded, status: after };
}

type Outcome = Awaited<ReturnType<typeof draw>>;

const outcome = ({ drawn }: Outcome) =>
  drawn.map(({ tokens, finish }) => ({ tokens: [...tokens], finish }));

function expectSame(shared: Outcome, apart: Outcome): void {
  expect(outcome(shared)).toEqual(outcome(apart));
  for (const [i, { logProbs }] of shared.drawn.entries()) {
    const difference = largestDifference(logProbs, apart.drawn[i]?.logProbs ?? []);
    expect(difference).toBeLessThan(1e-3);
  }
}

/** Nodes of the texts' prefix tree that are followed by something. */
function innerNodes(texts: readonly Int32Array[]): number {
  const prefixes = texts.flatMap((text) =>
    Array.from({ length: text.length - 1 }, (_, i) => text.slice(0, i + 1).join()),
  );
  return new Set(prefixes).size;
}

describe("shared prefixes", () => {
  useContext(precise);

  test.each([1, 2, 3])("give the same texts at temperature %s", async (temperature) => {
    const apart = await draw(32, false, { temperature });
    const shared = await draw(32, true, { temperature });
    expectSame(shared, apart);
    expect(new Set(shared.drawn.map(({ tokens }) => tokens.join())).size).toBeGreaterThan(1);
  });

  test("hold for draws of different lengths, kept and not, with stop strings", async () => {
    const options: Options = {
      maxTokens: (i) => 3 + (i % 5) * 7,
      keep: (i) => i % 3 === 0,
      stopStrings: ["="],
      temperature: 3,
    };
    const [apart, shared] = [await draw(36, false, options), await draw(36, true, options)];
    expectSame(shared, apart);
    const kept = ({ drawn }: typeof apart) => drawn.map(({ sequence }) => sequence !== null);
    expect(kept(shared)).toEqual(kept(apart));
    expect(kept(shared)).toContain(true);
    for (const { sequence } of [...apart.drawn, ...shared.drawn]) {
      await sequence?.[Symbol.asyncDispose]();
    }
    expect((await context.status()).usedCells).toBe(promptLength);
  });

  test("hold for more draws than there are sequences", async () => {
    const options = { maxTokens: () => 24, temperature: 3 };
    const [apart, shared] = [await draw(150, false, options), await draw(150, true, options)];
    expectSame(shared, apart);
    expect(shared.status.usedCells).toBe(promptLength);
    expect(shared.status.sequences).toBe(1);
  });
});

describe("shared prefixes of texts that are much alike", () => {
  useContext(bundled);

  test("are decoded once each: as many tokens as the prefix tree has inner nodes", async () => {
    const { drawn, decoded } = await draw(32, true);
    expect(decoded).toBe(innerNodes(drawn.map(({ tokens }) => tokens)));
    const apart = await draw(32, false);
    expect(apart.decoded).toBe(drawn.reduce((sum, { tokens }) => sum + tokens.length - 1, 0));
    expect(decoded).toBeLessThan(apart.decoded / 2);
  });

  test("leave kept continuations sequences of their own", async () => {
    const keep = () => true;
    const maxTokens = () => 4;
    const { drawn } = await draw(12, true, { temperature: 0.3, maxTokens, keep });
    const texts = drawn.map(({ tokens }) => tokens.join());
    expect(new Set(texts).size).toBeLessThan(12); // some are identical
    for (const { tokens, sequence } of drawn) {
      if (sequence === null) continue; // ended
      const logits = await sequence.logits();
      const copy = await parent.fork();
      await copy.prefill(tokens);
      const expected = await copy.logits();
      expect(largestDifference(logits, expected)).toBeLessThan(ROUNDING);
      await copy[Symbol.asyncDispose]();
      await sequence.prefill(Int32Array.of(5));
    }
    for (const { sequence } of drawn) await sequence?.[Symbol.asyncDispose]();
    expect((await context.status()).usedCells).toBe(promptLength);
  });

  test("keep to a budget of tokens within one batch", async () => {
    const { drawn, status } = await draw(20, true, { maxTotalTokens: 75 });
    const total = drawn.reduce((sum, { tokens }) => sum + tokens.length, 0);
    expect(total).toBeGreaterThanOrEqual(75);
    expect(total).toBeLessThan(75 + 20);
    expect(status.usedCells).toBe(promptLength);
  });
});
