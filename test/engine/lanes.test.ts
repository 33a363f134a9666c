/** Lanes of one context share its decodes; each keeps its own draws, counts, limits and errors. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type {
  Context,
  Continuation,
  GenerateRequest,
  Sequence,
} from "../../src/engine/local/context.js";
import { resolveSampling } from "../../src/engine/sampling.js";
import { UNLIMITED } from "../fixtures/generation.js";
import { QUESTION, useModel } from "../fixtures/models.js";
import { largestDifference, ROUNDING } from "../fixtures/rounding.js";

const LANES = 4;
/** Of each lane. */
const SIZE = { cells: 1024, sequences: 10 };

const model = useModel();
let shared: AsyncDisposable;
let lanes: Lane[];

interface Lane {
  context: Context;
  parent: Sequence;
}

async function openLane(): Promise<Lane> {
  const context = await model().lease({ ...SIZE, flashAttention: false });
  const parent = await context.create();
  const { tokens } = await model().encodePrompt(QUESTION);
  await parent.prefill(tokens);
  return { context, parent };
}

beforeEach(async () => {
  const all = { cells: LANES * SIZE.cells, sequences: LANES * SIZE.sequences };
  shared = await model().share({ ...all, batchTokens: 128, flashAttention: false });
  lanes = [];
  for (let i = 0; i < LANES; i += 1) lanes.push(await openLane());
});
afterEach(async () => {
  for (const { context } of lanes) await model().release(context);
  await shared[Symbol.asyncDispose]();
});

/** Eight draws with random numbers of their own for each `seed`. */
function draw({ context, parent }: Lane, seed: number, options: Partial<GenerateRequest> = {}) {
  return context.generate({
    draws: Array.from({ length: 8 }, (_, i) => ({
      ...{ parent, stream: [0, i, 0] as [number, number, number], position: 0, tail: "" },
      ...{ maxTokens: 60, keep: false },
    })),
    sampling: resolveSampling({ temperature: 0.8 + 0.1 * seed }, model().info.vocabSize),
    key: [seed, 0],
    ...UNLIMITED,
    ...options,
  });
}

/** In a context of its own. */
async function drawAlone(seed: number, options?: Partial<GenerateRequest>) {
  await shared[Symbol.asyncDispose]();
  const alone = await openLane();
  const drawn = await draw(alone, seed, options);
  const { decodes } = await alone.context.status();
  await model().release(alone.context);
  return { drawn, decodes };
}

/** Texts that are the same in both. */
function countSame(a: readonly Continuation[], b: readonly Continuation[]): number {
  return a.filter(({ tokens }, i) => tokens.join() === b[i]?.tokens.join()).length;
}

/**
 * But for 1 in 20, rounded up, whose random number fell within rounding of the line between two
 * tokens.
 */
function expectSame(a: readonly Continuation[], b: readonly Continuation[]): void {
  expect(countSame(a, b)).toBeGreaterThanOrEqual(Math.floor(a.length * 0.95));
  for (const [i, { tokens, finish, logProbs }] of a.entries()) {
    const other = b[i] as Continuation;
    if (tokens.join() !== other.tokens.join()) continue;
    expect(finish).toBe(other.finish);
    expect(largestDifference(logProbs, other.logProbs)).toBeLessThan(ROUNDING);
  }
}

const lane = (i: number) => lanes[i] as Lane;
const endless = { sampling: resolveSampling({ allowedTokens: [20, 21] }, 896) };

describe("lanes of one context", () => {
  test("draw what they draw alone, in fewer decodes", async () => {
    const before = await lane(0).context.status();
    const together = await Promise.all(lanes.map((one, seed) => draw(one, seed)));
    const after = await lane(0).context.status();
    const decodes = after.contextDecodes - before.contextDecodes;
    const parts = await Promise.all(
      lanes.map(async ({ context }) => (await context.status()).decodes - 1),
    );
    // As many as the longest of them took, but for those that began a moment later.
    expect(decodes).toBeGreaterThanOrEqual(Math.max(...parts));
    expect(decodes).toBeLessThan(parts.reduce((a, b) => a + b) / 2);
    const alone = [];
    for (const seed of lanes.keys()) alone.push(await drawAlone(seed));
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
    const before = await Promise.all(lanes.map(({ context }) => context.status()));
    const drawn = await Promise.all(
      lanes.map((one, seed) => draw(one, seed, { sharePrefixes: false })),
    );
    const { tokens: prompt } = await model().encodePrompt(QUESTION);
    for (const [i, { context }] of lanes.entries()) {
      const status = await context.status();
      const lengths = drawn[i]?.map(({ tokens }) => tokens.length) ?? [];
      const total = lengths.reduce((a, b) => a + b);
      expect(status).toMatchObject({ prefilled: prompt.length, generated: total });
      expect(status.decoded - (before[i]?.decoded ?? 0)).toBe(total - lengths.length);
      expect(status).toMatchObject({ usedCells: prompt.length, sequences: 1, cells: 1024 });
    }
  });

  test("are aborted one by one", async () => {
    const options = { draws: [longDraw(lane(0), 900)], ...endless };
    const long = draw(lane(0), 0, options);
    const others = lanes.slice(1).map((one, i) => draw(one, i + 1));
    await Promise.race(others);
    lane(0).context.abort();
    await expect(long).rejects.toMatchObject({ code: "ERR_ABORTED" });
    const drawn = await Promise.all(others);
    const { usedCells } = await lane(0).context.status();
    expect(usedCells).toBe((await model().encodePrompt(QUESTION)).tokens.length);
    expectSame(await draw(lane(0), 1), drawn[0] ?? []); // it goes on
  });

  test("end at budgets of their own", async () => {
    const [tokens, time, free] = await Promise.all([
      draw(lane(0), 1, { maxTotalTokens: 20 }),
      draw(lane(1), 1, { timeLimitMs: 0 }),
      draw(lane(2), 1),
    ]);
    const total = tokens.reduce((sum, one) => sum + one.tokens.length, 0);
    expect(total).toBeGreaterThanOrEqual(20);
    expect(total).toBeLessThan(28);
    expect(time.every(({ finish }) => finish === "budget")).toBe(true);
    expect(free.every(({ finish }) => finish !== "budget")).toBe(true);
    expectSame(free, (await drawAlone(1)).drawn);
  });

  test("have cells and sequences of their own", async () => {
    const full = draw(lane(0), 0, { draws: [longDraw(lane(0), 1100)] });
    const [drawn] = await Promise.all([
      draw(lane(1), 1),
      expect(full).rejects.toMatchObject({ code: "ERR_CONTEXT_FULL" }),
    ]);
    for (let i = 1; i < SIZE.sequences; i += 1) await lane(0).context.create();
    await expect(lane(0).context.create()).rejects.toMatchObject({ code: "ERR_CONTEXT_FULL" });
    expectSame(await draw(lane(1), 1), drawn);
  });

  test("don't see each other's sequences, nor each other's errors", async () => {
    const [drawn] = await Promise.all([
      draw(lane(1), 1),
      expect(draw(lane(0), 0, { draws: [longDraw(lane(1), 5)] })).rejects.toMatchObject({
        code: "ERR_DISPOSED",
      }),
    ]);
    await lane(0).context.clear();
    expectSame(await draw(lane(1), 1), drawn);
  });

  test("wait for no other's draws", async () => {
    const ended: string[] = [];
    const long = draw(lane(0), 0, { draws: [longDraw(lane(0), 900)], ...endless });
    const short = lane(1)
      .parent.fork()
      .then(async (sequence) => {
        await sequence.prefill(Int32Array.of(20));
        ended.push("short");
      });
    await Promise.all([long.then(() => ended.push("long")), short]);
    expect(ended).toEqual(["short", "long"]);
  });

  test("give back what they were lent", async () => {
    const running = lanes.slice(0, 2).map((one, seed) => draw(one, seed));
    await model().release(lane(2).context);
    lanes[2] = await openLane();
    const again = draw(lane(2), 1);
    await model().release(lane(0).context); // waits for its draws
    lanes[0] = await openLane();
    expect((await running[0])?.length).toBe(8);
    expectSame(await again, (await running[1]) ?? []);
    const { contextDecodes } = await lane(0).context.status();
    expect(contextDecodes).toBeGreaterThan(0);
  });
});

test("where a shared context has no room, or computes otherwise, a context of its own is leased", async () => {
  const isLane = async (context: Context) => {
    const { decodes, contextDecodes } = await context.status();
    return contextDecodes > decodes;
  };
  expect(await isLane(lane(0).context)).toBe(true);
  const fifth = await model().lease({ ...SIZE, flashAttention: false });
  expect(await isLane(fifth)).toBe(false);
  await model().release(fifth);
  await model().release(lane(3).context);
  const other = await model().lease({ ...SIZE, flashAttention: true });
  expect(await isLane(other)).toBe(false);
  await model().release(other);
  lanes[3] = await openLane();
  expect(await isLane(lane(3).context)).toBe(true);
});

function longDraw({ parent }: Lane, maxTokens: number): GenerateRequest["draws"][number] {
  return { parent, stream: [0, 0, 0], position: 0, maxTokens, keep: false, tail: "" };
}
