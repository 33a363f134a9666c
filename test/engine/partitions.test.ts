/** Partitions of one context share its decodes; each keeps its own draws, counts, limits and errors. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type {
  Context,
  LocalContinuation,
  LocalGenerateRequest,
} from "../../src/engine/local/context.js";
import type { LocalSequence } from "../../src/engine/local/local-sequence.js";
import { resolveSampling } from "../../src/engine/sampling.js";
import { UNLIMITED } from "../fixtures/generation.js";
import { QUESTION } from "../fixtures/models.js";
import { usePreciseModel } from "../fixtures/precise-model.js";
import { largestDifference } from "../fixtures/rounding.js";

const PARTITIONS = 4;
/** The size of each partition. */
const SIZE = { cells: 1024, sequences: 10 };

const model = usePreciseModel();
let shared: AsyncDisposable;
let partitions: Partition[];

interface Partition {
  context: Context;
  parent: LocalSequence;
}

async function openPartition(): Promise<Partition> {
  const context = await model().lease({ ...SIZE, flashAttention: false });
  const parent = await context.create();
  const { tokens } = await model().encodePrompt(QUESTION);
  await parent.prefill(tokens);
  return { context, parent };
}

beforeEach(async () => {
  const all = { cells: PARTITIONS * SIZE.cells, sequences: PARTITIONS * SIZE.sequences };
  shared = await model().share({ ...all, batchTokens: 128, flashAttention: false });
  partitions = [];
  for (let i = 0; i < PARTITIONS; i += 1) partitions.push(await openPartition());
});
afterEach(async () => {
  for (const { context } of partitions) await model().release(context);
  await shared[Symbol.asyncDispose]();
});

/** Eight draws with random numbers of their own for each `seed`. */
function draw(
  { context, parent }: Partition,
  seed: number,
  options: Partial<LocalGenerateRequest> = {},
) {
  return context.generate({
    draws: Array.from({ length: 8 }, (_, i) => ({
      parent,
      stream: [0, i, 0] as [number, number, number],
      position: 0,
      text: new Int32Array(),
      maxTokens: 60,
      keep: false,
    })),
    sampling: resolveSampling({ temperature: 3 + 0.1 * seed }, model().info.vocabSize),
    key: [seed, 0],
    ...UNLIMITED,
    ...options,
  });
}

/** In a context of its own. */
async function drawAlone(seed: number, options?: Partial<LocalGenerateRequest>) {
  await shared[Symbol.asyncDispose]();
  const alone = await openPartition();
  const drawn = await draw(alone, seed, options);
  const { decodes } = await alone.context.status();
  await model().release(alone.context);
  return { drawn, decodes };
}

/** Texts that are the same in both. */
function countSame(a: readonly LocalContinuation[], b: readonly LocalContinuation[]): number {
  return a.filter(({ tokens }, i) => tokens.join() === b[i]?.tokens.join()).length;
}

function expectSame(a: readonly LocalContinuation[], b: readonly LocalContinuation[]): void {
  expect(a).toHaveLength(b.length);
  for (const [i, { tokens, finish, logProbs }] of a.entries()) {
    const other = b[i] as LocalContinuation;
    expect([...tokens]).toEqual([...other.tokens]);
    expect(finish).toBe(other.finish);
    expect(largestDifference(logProbs, other.logProbs)).toBeLessThan(1e-3);
  }
}

const partition = (i: number) => partitions[i] as Partition;
const endless = { sampling: resolveSampling({}, 896) };

describe("partitions of one context", () => {
  test("draw what they draw alone, in fewer decodes", async () => {
    const before = await partition(0).context.status();
    const together = await Promise.all(partitions.map((one, seed) => draw(one, seed)));
    const after = await partition(0).context.status();
    const decodes = after.contextDecodes - before.contextDecodes;
    const parts = await Promise.all(
      partitions.map(async ({ context }) => (await context.status()).decodes - 1),
    );
    // As many as the longest of them took, but for those that began a moment later.
    expect(decodes).toBeGreaterThanOrEqual(Math.max(...parts));
    expect(decodes).toBeLessThan(parts.reduce((a, b) => a + b) / 2);
    const alone = [];
    for (const seed of partitions.keys()) alone.push(await drawAlone(seed));
    expectSame(
      together.flat(),
      alone.flatMap(({ drawn }) => drawn),
    );
    expect(decodes).toBeLessThan(alone.reduce((sum, one) => sum + one.decodes - 1, 0) / 2);
    // Other random numbers give other texts: the comparison can fail.
    const [first = [], second = []] = together;
    expect(countSame(first, second)).toBeLessThan(6);
  });

  test("count their own tokens", async () => {
    const before = await Promise.all(partitions.map(({ context }) => context.status()));
    const drawn = await Promise.all(
      partitions.map((one, seed) => draw(one, seed, { sharePrefixes: false })),
    );
    const { tokens: prompt } = await model().encodePrompt(QUESTION);
    for (const [i, { context }] of partitions.entries()) {
      const status = await context.status();
      const lengths = drawn[i]?.map(({ tokens }) => tokens.length) ?? [];
      const total = lengths.reduce((a, b) => a + b);
      expect(status).toMatchObject({ prefilled: prompt.length, generated: total });
      expect(status.decoded - (before[i]?.decoded ?? 0)).toBe(total - lengths.length);
      expect(status).toMatchObject({ usedCells: prompt.length, sequences: 1, cells: 1024 });
    }
  });

  test("are aborted one by one", async () => {
    const options = { draws: [longDraw(partition(0), 900)], ...endless };
    const long = draw(partition(0), 0, options);
    const others = partitions.slice(1).map((one, i) => draw(one, i + 1));
    await Promise.race(others);
    partition(0).context.abort();
    await expect(long).rejects.toMatchObject({ code: "ERR_ABORTED" });
    const drawn = await Promise.all(others);
    const { usedCells } = await partition(0).context.status();
    expect(usedCells).toBe((await model().encodePrompt(QUESTION)).tokens.length);
    expectSame(await draw(partition(0), 1), drawn[0] ?? []); // it goes on
  });

  test("end at budgets of their own", async () => {
    const [tokens, time, free] = await Promise.all([
      draw(partition(0), 1, { maxTotalTokens: 20 }),
      draw(partition(1), 1, { timeLimitMs: 0 }),
      draw(partition(2), 1),
    ]);
    const total = tokens.reduce((sum, one) => sum + one.tokens.length, 0);
    expect(total).toBeGreaterThanOrEqual(20);
    expect(total).toBeLessThan(28);
    expect(time.every(({ finish }) => finish === "budget")).toBe(true);
    expect(free.every(({ finish }) => finish !== "budget")).toBe(true);
    expectSame(free, (await drawAlone(1)).drawn);
  });

  test("have cells and sequences of their own", async () => {
    const full = draw(partition(0), 0, { draws: [longDraw(partition(0), 1100)] });
    const [drawn] = await Promise.all([
      draw(partition(1), 1),
      expect(full).rejects.toMatchObject({ code: "ERR_CONTEXT_FULL" }),
    ]);
    for (let i = 1; i < SIZE.sequences; i += 1) await partition(0).context.create();
    await expect(partition(0).context.create()).rejects.toMatchObject({ code: "ERR_CONTEXT_FULL" });
    expectSame(await draw(partition(1), 1), drawn);
  });

  test("don't see each other's sequences, nor each other's errors", async () => {
    const [drawn] = await Promise.all([
      draw(partition(1), 1),
      expect(draw(partition(0), 0, { draws: [longDraw(partition(1), 5)] })).rejects.toMatchObject({
        code: "ERR_DISPOSED",
      }),
    ]);
    await partition(0).context.clear();
    expectSame(await draw(partition(1), 1), drawn);
  });

  test("wait for no other's draws", async () => {
    const ended: string[] = [];
    const long = draw(partition(0), 0, { draws: [longDraw(partition(0), 900)], ...endless });
    const short = partition(1)
      .parent.fork()
      .then(async (sequence) => {
        await sequence.prefill(Int32Array.of(20));
        ended.push("short");
      });
    await Promise.all([long.then(() => ended.push("long")), short]);
    expect(ended).toEqual(["short", "long"]);
  });

  test("give back what they were lent", async () => {
    const running = partitions.slice(0, 2).map((one, seed) => draw(one, seed));
    await model().release(partition(2).context);
    partitions[2] = await openPartition();
    const again = draw(partition(2), 1);
    await model().release(partition(0).context); // waits for its draws
    partitions[0] = await openPartition();
    expect((await running[0])?.length).toBe(8);
    expectSame(await again, (await running[1]) ?? []);
    const { contextDecodes } = await partition(0).context.status();
    expect(contextDecodes).toBeGreaterThan(0);
  });
});

test("where a shared context has no room, or computes otherwise, a context of its own is leased", async () => {
  const isPartition = async (context: Context) => {
    const { decodes, contextDecodes } = await context.status();
    return contextDecodes > decodes;
  };
  expect(await isPartition(partition(0).context)).toBe(true);
  const fifth = await model().lease({ ...SIZE, flashAttention: false });
  expect(await isPartition(fifth)).toBe(false);
  await model().release(fifth);
  await model().release(partition(3).context);
  const other = await model().lease({ ...SIZE, flashAttention: true });
  expect(await isPartition(other)).toBe(false);
  await model().release(other);
  partitions[3] = await openPartition();
  expect(await isPartition(partition(3).context)).toBe(true);
});

function longDraw({ parent }: Partition, maxTokens: number): LocalGenerateRequest["draws"][number] {
  return { parent, stream: [0, 0, 0], position: 0, maxTokens, keep: false, text: new Int32Array() };
}
