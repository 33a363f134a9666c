/** Sequences of a real model: forks share, stay apart, and give their cells back. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Context } from "../../src/engine/local/context.js";
import { loadModel } from "../../src/engine/local/load-model.js";
import type { LocalSequence } from "../../src/engine/local/local-sequence.js";
import type { LocalModel } from "../../src/engine/local/model.js";
import { resolveSampling } from "../../src/engine/sampling.js";
import { UNLIMITED } from "../fixtures/generation.js";
import { QUESTION, useModel } from "../fixtures/models.js";
import { usePreciseModel } from "../fixtures/precise-model.js";
import { largestDifference, ROUNDING } from "../fixtures/rounding.js";

const bundled = useModel();
const precise = usePreciseModel();
let leased: LocalModel;
let context: Context;
let prompt: Int32Array;
const model = () => leased;

/** A context for each test. */
function useContext(of: () => LocalModel): void {
  beforeEach(async () => {
    leased = of();
    const capacity = { cells: 2048, sequences: 24 };
    context = await leased.lease({ ...capacity, flashAttention: false });
    prompt = (await leased.encodePrompt(QUESTION)).tokens;
  });
  afterEach(() => leased.release(context));
}

const sampling = (options = {}) => resolveSampling(options, model().info.vocabSize);

/** Draws `count` continuations of `parent`. */
async function generate(
  parent: LocalSequence,
  count: number,
  options: Record<string, unknown> = {},
) {
  const { maxTokens = 20, keep = false, seed = 1, first = 0, ...rest } = options;
  return context.generate({
    draws: Array.from({ length: count }, (_, i) => ({
      parent,
      stream: [0, i + (first as number), 0] as [number, number, number],
      position: 0,
      maxTokens: maxTokens as number,
      keep: keep as boolean,
      text: new Int32Array(),
    })),
    sampling: sampling(),
    key: [seed as number, 0],
    ...UNLIMITED,
    ...rest,
  });
}

async function prefilled(): Promise<LocalSequence> {
  const sequence = await context.create();
  await sequence.prefill(prompt);
  return sequence;
}

describe("a fork", () => {
  useContext(bundled);

  test("continues with the logits of a fresh prefill", async () => {
    const parent = await prefilled();
    const tail = model().tokenize("Earned: 2 * 16 = 32");
    const fork = await parent.fork();
    await fork.prefill(tail);
    const fresh = await context.create();
    await fresh.prefill(Int32Array.of(...prompt, ...tail));
    expect(largestDifference(await fork.logits(), await fresh.logits())).toBeLessThan(ROUNDING);
  });

  test("never sees what another fork was given", async () => {
    const parent = await prefilled();
    const [a, b] = [await parent.fork(), await parent.fork()];
    await a.prefill(model().tokenize("Total: 999 + 1"));
    await b.prefill(model().tokenize("Earned: 2"));
    await a.prefill(model().tokenize("2 apples"));
    const alone = await context.create();
    await alone.prefill(Int32Array.of(...prompt, ...model().tokenize("Earned: 2")));
    expect(largestDifference(await b.logits(), await alone.logits())).toBeLessThan(ROUNDING);
    const other = largestDifference(await b.logits(), await a.logits());
    expect(other).toBeGreaterThan(1); // the comparison can tell texts apart
  });

  test("takes no cells until it grows, and gives back its own alone", async () => {
    const parent = await prefilled();
    const used = (await context.status()).usedCells;
    expect(used).toBe(prompt.length);
    const forks = await Promise.all(Array.from({ length: 10 }, () => parent.fork()));
    expect((await context.status()).usedCells).toBe(used);
    await forks[0]?.prefill(Int32Array.of(5, 6, 7));
    const child = await (forks[0] as LocalSequence).fork();
    expect((await context.status()).usedCells).toBe(used + 3);
    await forks[0]?.[Symbol.asyncDispose]();
    expect((await context.status()).usedCells).toBe(used + 3); // the child holds them
    await child[Symbol.asyncDispose]();
    expect((await context.status()).usedCells).toBe(used);
  });

  test("leaves its parent's shared cells when truncated", async () => {
    const parent = await prefilled();
    const before = await parent.logits();
    const fork = await parent.fork();
    await fork.truncate(10);
    await fork.prefill(Int32Array.of(1, 2));
    expect((await context.status()).usedCells).toBe(prompt.length + 2);
    await parent.prefill(Int32Array.of(3));
    await parent.truncate(prompt.length - 20);
    await parent.prefill(prompt.slice(-20));
    expect(largestDifference(await parent.logits(), before)).toBeLessThan(ROUNDING);
  });
});

describe("KV cells", () => {
  useContext(bundled);

  test("are free again after their sequences: the cache can be filled over and over", async () => {
    await using small = await Context.open((await nativeOf()).native, {
      cells: 256,
      sequences: 4,
      threads: 1,
    });
    for (let round = 0; round < 5; round++) {
      const sequence = await small.create();
      const { cells } = await small.status();
      await sequence.prefill(new Int32Array(cells).fill(7));
      await expect(sequence.prefill(Int32Array.of(7))).rejects.toMatchObject({
        code: "ERR_CONTEXT_FULL",
      });
      await sequence[Symbol.asyncDispose]();
      expect((await small.status()).usedCells).toBe(0);
    }
  });

  test("of a sequence that is dropped without being disposed come back", async () => {
    const collect = (globalThis as { gc?: () => void }).gc;
    expect(collect, "run with --expose-gc").toBeDefined();
    await (async () => {
      await prefilled();
    })();
    for (let i = 0; i < 50 && (await context.status()).sequences > 0; i++) {
      collect?.();
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect((await context.status()).sequences).toBe(0);
  });
});

describe("generate", () => {
  useContext(bundled);

  test("reports the log-probabilities of a teacher-forced pass", async () => {
    const parent = await prefilled();
    const drawn = await generate(parent, 12, { maxTokens: 40 });
    const scores = await context.score(
      drawn.map(({ tokens }) => ({ parent, tokens })),
      sampling(),
    );
    for (const [i, { logProbs, rawLogProbs }] of drawn.entries()) {
      for (const [j, logProb] of logProbs.entries()) {
        expect(Math.abs(logProb - (scores[i]?.logProbs[j] as number))).toBeLessThan(1e-2);
        expect(
          Math.abs((rawLogProbs[j] as number) - (scores[i]?.rawLogProbs[j] as number)),
        ).toBeLessThan(1e-2);
      }
    }
    // The twin: at another temperature the scores are others.
    const wrong = await context.score(
      drawn.map(({ tokens }) => ({ parent, tokens })),
      sampling({ temperature: 1.2 }),
    );
    const gap = drawn[0]?.logProbs.map((x, j) => Math.abs(x - (wrong[0]?.logProbs[j] as number)));
    expect(Math.max(...(gap ?? []))).toBeGreaterThan(1e-2);
  });

  test("follows given continuations in parts as they are scored at once, reading none twice", async () => {
    const parent = await prefilled();
    const [whole] = await generate(parent, 1, { maxTokens: 24 });
    const tokens = whole?.tokens as Int32Array;
    const [at, end] = [Math.floor(tokens.length / 2), tokens.length];
    const [scored] = await context.score([{ parent, tokens }], sampling());
    const before = await context.status();
    const [head] = await context.follow(
      [{ parent, tokens: tokens.slice(0, at), keep: true }],
      sampling(),
    );
    const middle = head?.sequence as LocalSequence;
    const [tail] = await context.follow(
      [{ parent: middle, tokens: tokens.slice(at), keep: false }],
      sampling(),
    );
    const after = await context.status();
    expect(tail?.sequence).toBeNull();
    expect(after.scored - before.scored).toBe(end);
    expect(after.usedCells - before.usedCells).toBe(at);
    const followed = [...(head?.logProbs ?? []), ...(tail?.logProbs ?? [])];
    expect(followed).toHaveLength(end);
    for (const [i, logProb] of followed.entries()) {
      expect(Math.abs(logProb - (scored?.logProbs[i] as number))).toBeLessThan(1e-2);
    }
    // Twin: behind the parent the second half is another text.
    const [wrong] = await context.score([{ parent, tokens: tokens.slice(at) }], sampling());
    const gaps = wrong?.logProbs.map((x, i) => Math.abs(x - (tail?.logProbs[i] as number)));
    expect(Math.max(...(gaps ?? []))).toBeGreaterThan(1e-2);
    await middle[Symbol.asyncDispose]();
    expect((await context.status()).usedCells).toBe(before.usedCells);
  });

  test("decodes each token at most once, also when a block is continued", async () => {
    const parent = await prefilled();
    const before = await context.status();
    const [block] = await generate(parent, 1, { maxTokens: 8, keep: true });
    const rollouts = await generate(block?.sequence as LocalSequence, 6, {
      maxTokens: 10,
      sharePrefixes: false,
    });
    const after = await context.status();
    const generated = rollouts.reduce((sum, { tokens }) => sum + tokens.length, 8);
    expect(after.generated - before.generated).toBe(generated);
    expect(after.decoded - before.decoded).toBe(generated - rollouts.length); // not their last
    expect(after.prefilled).toBe(before.prefilled);
  });

  test("runs more continuations than there are sequences, in waves", async () => {
    const parent = await prefilled();
    const drawn = await generate(parent, 100, { maxTokens: 5 });
    expect(drawn).toHaveLength(100);
    expect(drawn.every(({ tokens }) => tokens.length > 0)).toBe(true);
    const status = await context.status();
    expect(status.usedCells).toBe(prompt.length);
    expect(status.sequences).toBe(1);
  });

  test("stops at a stop string that spans tokens", async () => {
    const parent = await prefilled();
    const [free] = await generate(parent, 1, { maxTokens: 30 });
    const text = model().detokenize(free?.tokens as Int32Array);
    const stop = text.slice(7, 12); // cuts through tokens
    const [stopped] = await generate(parent, 1, { maxTokens: 30, stopStrings: [stop] });
    expect(stopped?.finish).toBe("stop");
    const shown = model().detokenize(stopped?.tokens as Int32Array);
    expect(shown).toContain(stop);
    expect(text.startsWith(shown)).toBe(true);
    expect(shown.length).toBeLessThan(text.length);
  });

  test("keeps to a budget of tokens within one batch, and to a time limit", async () => {
    const parent = await prefilled();
    const cut = await generate(parent, 10, { maxTokens: 100, maxTotalTokens: 35 });
    const drawn = cut.reduce((sum, { tokens }) => sum + tokens.length, 0);
    expect(drawn).toBeGreaterThanOrEqual(35);
    expect(drawn).toBeLessThan(35 + 10);
    expect(cut.some(({ finish }) => finish === "budget")).toBe(true);
    const timed = await generate(parent, 10, { maxTokens: 100, timeLimitMs: 0 });
    expect(timed.every(({ tokens }) => tokens.length === 0)).toBe(true);
    expect((await context.status()).usedCells).toBe(prompt.length);
  });

  test("draws from the allowed tokens alone", async () => {
    const parent = await prefilled();
    const allowedTokens = [20, 21, 25];
    const [drawn] = await generate(parent, 1, {
      sampling: sampling({ allowedTokens, temperature: 5 }),
    });
    expect([...(drawn?.tokens ?? [])].every((token) => allowedTokens.includes(token))).toBe(true);
  });

  test("stops at once when aborted, keeping nothing, and the context goes on", async () => {
    const parent = await prefilled();
    const running = generate(parent, 300, { maxTokens: 150 });
    setTimeout(() => context.abort(), 30);
    await expect(running).rejects.toMatchObject({ code: "ERR_ABORTED" });
    const status = await context.status();
    expect([status.sequences, status.usedCells]).toEqual([1, prompt.length]);
    expect(await generate(parent, 2)).toHaveLength(2);
  });

  test("leaves the event loop free", async () => {
    const parent = await prefilled();
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await generate(parent, 60, { maxTokens: 60 });
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(20);
  });

  test("refuses a truncated parent, which has no logits", async () => {
    const parent = await prefilled();
    await parent.truncate(5);
    await expect(generate(parent, 1)).rejects.toMatchObject({ code: "ERR_INVALID_STATE" });
  });
});

describe("generate, by the model of 32 bits,", () => {
  useContext(precise);
  const hot = () => ({ sampling: sampling({ temperature: 3 }) });

  test("draws the same tokens whatever runs beside them", async () => {
    const parent = await prefilled();
    const together = await generate(parent, 16, hot());
    const alone = (
      await Promise.all([3, 9].map((first) => generate(parent, 1, { first, ...hot() })))
    ).flat();
    expect([...(alone[0]?.tokens ?? [])]).toEqual([...(together[3]?.tokens ?? [])]);
    expect([...(alone[1]?.tokens ?? [])]).toEqual([...(together[9]?.tokens ?? [])]);
    const reseeded = await generate(parent, 16, { seed: 2, ...hot() });
    expect(reseeded.map((c) => [...c.tokens])).not.toEqual(together.map((c) => [...c.tokens]));
  });

  test("goes on from a kept block as if it had never stopped", async () => {
    const parent = await prefilled();
    const [whole] = await generate(parent, 1, { maxTokens: 16, ...hot() });
    const [block] = await generate(parent, 1, { maxTokens: 6, keep: true, ...hot() });
    const sequence = block?.sequence as LocalSequence;
    const rest = await context.generate({
      draws: [
        {
          parent: sequence,
          stream: [0, 0, 0],
          position: 6,
          maxTokens: 10,
          keep: false,
          text: new Int32Array(),
        },
      ],
      ...hot(),
      key: [1, 0],
      ...UNLIMITED,
    });
    expect([...(block?.tokens ?? []), ...(rest[0]?.tokens ?? [])]).toEqual([
      ...(whole?.tokens ?? []),
    ]);
  });
});

describe("an owner", () => {
  useContext(bundled);

  test("can be disposed twice; a used-up sequence says so", async () => {
    const sequence = await prefilled();
    await sequence[Symbol.asyncDispose]();
    await sequence[Symbol.asyncDispose]();
    await expect(sequence.fork()).rejects.toMatchObject({ code: "ERR_DISPOSED" });
  });

  test("of a model waits for the work in flight when disposed", async () => {
    const { model: other, native } = await nativeOf();
    const opened = await Context.open(native, { cells: 512, sequences: 4, threads: 1 });
    const sequence = await opened.create();
    const work = sequence.prefill(new Int32Array(200).fill(9));
    const closed = opened[Symbol.asyncDispose]();
    await work;
    await closed;
    await expect(sequence.prefill(Int32Array.of(1))).rejects.toMatchObject({
      code: "ERR_DISPOSED",
    });
    native.close();
    await other.dispose();
  });
});

/** A native model of its own, for contexts that the model's lease doesn't make. */
async function nativeOf() {
  const { addon } = await import("../../src/engine/local/native.js");
  const other = await loadModel("mini-gsm-ref", { gpu: false });
  const loading = addon().loadModel({
    path: other.path,
    gpuLayers: 0,
    cachesDiffusion: true,
    onProgress: () => {},
  });
  return { model: other, native: await loading.promise };
}
