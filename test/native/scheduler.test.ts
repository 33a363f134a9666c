/**
 * Whatever a partition has to decode goes into the next batch, beside what the others have: the
 * scoring or prefill of one holds up none of them, and changes nothing that they get.
 */
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { addon } from "../../src/engine/local/native.js";
import type { NativeContext } from "../../src/engine/local/native-context.js";
import type { NativeModel } from "../../src/engine/local/native-model.js";
import { openEngine } from "../../src/engine/local/open-engine.js";
import { ROUNDING } from "../fixtures/rounding.js";
import { PLAIN } from "../fixtures/sampling.js";

const MODEL = fileURLToPath(new URL("../../models/mini-gsm-proposal.gguf", import.meta.url));
const PROMPT = Int32Array.of(10, 20, 30, 40, 50, 60, 70, 80);
/** One token, which doesn't end a text: how logits are rounded has no part in what is drawn. */
const CERTAIN = { ...PLAIN, allowedTokens: Int32Array.of(5) };
const BATCH = 64;
/** Tokens of work that takes many batches, and of work that takes few. */
const [MUCH, LITTLE] = [20 * BATCH, 12];

interface Partition {
  context: NativeContext;
  parent: number;
  /** A fork of `parent` for the next prefill, so that it can begin at once. */
  fork: number;
}

let model: NativeModel;
let whole: NativeContext;
let one: Partition;
let other: Partition;
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
beforeEach(async () => {
  whole = new (addon().Context)();
  await whole.open(model, {
    cells: 6000,
    maxSequences: 40,
    batchSize: BATCH,
    maxOutputs: BATCH,
    flashAttention: 0,
    threads: 1,
  });
  [one, other] = [await openPartition(), await openPartition()];
});
afterEach(async () => {
  await Promise.all([one, other].map(({ context }) => context.close()));
  await whole.close();
});

async function openPartition(): Promise<Partition> {
  const context = new (addon().Context)();
  await context.openPartition(whole, { cells: 3000, maxSequences: 20, maxOutputs: BATCH });
  const parent = await context.create();
  await context.prefill([{ sequence: parent, tokens: PROMPT }]);
  return { context, parent, fork: await context.fork(parent) };
}

const tokensOf = (count: number) => Int32Array.from({ length: count }, (_, i) => 5 + (i % 90));

/** What a partition can be asked for; each takes about as many decodes as tokens, or batches. */
const WORK: Record<string, (partition: Partition, size: number) => Promise<unknown>> = {
  generate: ({ context, parent }, size) =>
    context.generate({
      draws: Array.from({ length: 4 }, (_, i) => ({
        parent,
        stream: [0, i, 0] as [number, number, number],
        position: 0,
        text: new Int32Array(),
        maxTokens: Math.min(size, 600),
        keep: false,
        keepEnded: false,
      })),
      sampling: CERTAIN,
      key: [1, 2] as [number, number],
      stopStrings: [],
      stopTokens: new Int32Array(),
      answerEnd: null,
      maxTotalTokens: 1e9,
      sharePrefixes: false,
      timeLimitMs: null,
    }),
  score: ({ context, parent }, size) =>
    context.score(
      Array.from({ length: 4 }, () => ({ parent, tokens: tokensOf(size / 4), keep: false })),
      PLAIN,
    ),
  prefill: async (partition, size) => {
    const { context, parent, fork: sequence } = partition;
    try {
      await context.prefill([{ sequence, tokens: tokensOf(size) }]);
      return await context.logits(sequence);
    } finally {
      await context.free(sequence);
      partition.fork = await context.fork(parent);
    }
  },
  expand: async ({ context, parent }, size) => {
    const expanded = await context.expand(
      Array.from({ length: Math.min(size, 15) }, (_, i) => ({ parent, token: 5 + i })),
      ...([3, PLAIN] as const),
    );
    for (const { sequence } of expanded) await context.free(sequence);
    return expanded.map(({ logProbs, rawLogProbs }) => ({ logProbs, rawLogProbs }));
  },
};
const work = (name: string, partition: Partition, size: number) =>
  (WORK[name] as (typeof WORK)[string])(partition, size);

/** The numbers in a result, in order. */
function numbersIn(result: unknown): number[] {
  if (typeof result === "number") return [result];
  if (typeof result !== "object" || result === null) return [];
  if (ArrayBuffer.isView(result)) return [...(result as Float64Array)];
  return Object.values(result).flatMap(numbersIn);
}

const LONG = ["generate", "score", "prefill"];
const pairs = LONG.flatMap((long) => Object.keys(WORK).map((short) => [long, short]));

describe.each(pairs)("a %s of much, beside a %s of little,", (long, short) => {
  test("takes part in the same decodes, ends later, and both give what they give alone", async () => {
    const alone = [await work(long, one, MUCH), await work(short, other, LITTLE)];
    const before = await Promise.all([one, other].map(({ context }) => context.status()));
    const ended: string[] = [];
    const results = await Promise.all([
      work(long, one, MUCH).finally(() => ended.push("long")),
      work(short, other, LITTLE).finally(() => ended.push("short")),
    ]);
    expect(ended).toEqual(["short", "long"]);
    const after = await Promise.all([one, other].map(({ context }) => context.status()));
    const own = after.map(({ decodes }, i) => decodes - (before[i]?.decodes ?? 0));
    const all = (after[0]?.contextDecodes ?? 0) - (before[0]?.contextDecodes ?? 0);
    // Every decode of the short one's, but for one that the long one's came too late for.
    expect(own[1]).toBeGreaterThan(0);
    expect(all).toBeLessThanOrEqual((own[0] ?? 0) + 1);
    for (const [i, result] of results.entries()) {
      const [got, expected] = [numbersIn(result), numbersIn(alone[i])];
      expect(got).toHaveLength(expected.length);
      const differences = got.map((x, j) => Math.abs(x - (expected[j] as number)));
      expect(differences.filter((difference) => difference > ROUNDING)).toEqual([]);
    }
    const { usedCells, sequences } = await one.context.status();
    expect({ usedCells, sequences }).toEqual({ usedCells: PROMPT.length, sequences: 2 });
  });
});

test("calls of one partition wait for each other", async () => {
  const ended: string[] = [];
  await Promise.all([
    work("score", one, MUCH).finally(() => ended.push("score")),
    work("generate", one, LITTLE).finally(() => ended.push("generate")),
  ]);
  expect(ended).toEqual(["score", "generate"]);
});

test.each(LONG)("a %s that is aborted keeps nothing, and the other goes on", async (name) => {
  const alone = numbersIn(await work("score", other, MUCH));
  const going = work("score", other, MUCH);
  const aborting = setInterval(() => one.context.abort(), 5);
  await expect(work(name, one, MUCH)).rejects.toMatchObject({ code: "ERR_ABORTED" });
  clearInterval(aborting);
  const got = numbersIn(await going);
  expect(Math.max(...got.map((x, i) => Math.abs(x - (alone[i] as number))))).toBeLessThan(ROUNDING);
  const { usedCells } = await one.context.status();
  expect(usedCells).toBe(PROMPT.length);
  await work(name, one, LITTLE);
});
