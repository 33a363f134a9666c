/**
 * What beam search and redrawn texts ask of the engine: ranked next tokens, the sequences of texts
 * that ended, and the drawn tokens' log-probabilities under another policy.
 */
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { addon } from "../../src/engine/local/native.js";
import type {
  NativeContext,
  NativeGenerateRequest,
} from "../../src/engine/local/native-context.js";
import type { NativeModel, NativeSampling } from "../../src/engine/local/native-model.js";
import { openEngine } from "../../src/engine/local/open-engine.js";
import { largestDifference, ROUNDING } from "../fixtures/rounding.js";
import { PLAIN } from "../fixtures/sampling.js";

const MODEL = fileURLToPath(new URL("../../models/mini-gsm-proposal.gguf", import.meta.url));
const PROMPT = Int32Array.of(10, 20, 30, 40);
const POLICIES: [string, NativeSampling][] = [
  ["the model's own", PLAIN],
  ["a tempered one", { ...PLAIN, temperature: 0.6 }],
  ["a truncated one", { ...PLAIN, temperature: 1.4, topK: 40, topP: 0.9 }],
  ["one of few tokens", { ...PLAIN, temperature: 2, allowedTokens: Int32Array.of(5, 6, 7, 90) }],
  ["a greedy one", { ...PLAIN, temperature: 0 }],
];

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

async function open({ maxSequences = 40, maxOutputs = 64, cells = 512 } = {}): Promise<void> {
  context = new (addon().Context)();
  await context.open(model, {
    cells,
    maxSequences,
    maxOutputs,
    batchSize: 64,
    threads: 1,
    flashAttention: 0 as const,
  });
  parent = await context.create();
  await context.prefill([{ sequence: parent, tokens: PROMPT }]);
}

/** All tokens of a row by the definition: scored one by one and sorted. */
function rankedByScore(row: Float32Array, sampling: NativeSampling, count: number) {
  return [...row.keys()]
    .map((token) => addon().scoreToken(row, sampling, token))
    .filter(({ logProb }) => logProb > Number.NEGATIVE_INFINITY)
    .sort((a, b) => b.logProb - a.logProb || b.rawLogProb - a.rawLogProb || a.token - b.token)
    .slice(0, count);
}

const rowsOf = ({ tokens, logProbs, rawLogProbs }: Awaited<ReturnType<typeof expandOne>>) =>
  Array.from(tokens, (token, i) => ({
    token,
    logProb: logProbs[i] as number,
    rawLogProb: rawLogProbs[i] as number,
  }));

async function expandOne(token: number | null, count: number, sampling: NativeSampling) {
  const [expansion] = await context.expand([{ parent, token }], count, sampling);
  if (expansion === undefined) throw new Error("unreachable: one was asked for");
  return expansion;
}

describe.each(POLICIES)("expanding under %s policy", (_, sampling) => {
  test.each([1, 7, 4096])("ranks the %i most probable tokens by their scores", async (count) => {
    await open();
    const row = await context.logits(parent);
    const ranked = await expandOne(null, count, sampling);
    expect(rowsOf(ranked)).toEqual(rankedByScore(row, sampling, count));
  });

  test("appends the token as a prefill does, to a fork of the parent", async () => {
    await open();
    const { sequence, ...ranked } = await expandOne(50, 9, sampling);
    const twin = await context.fork(parent);
    await context.prefill([{ sequence: twin, tokens: Int32Array.of(50) }]);
    const row = await context.logits(twin);
    const [rows, expected] = [rowsOf({ sequence, ...ranked }), rankedByScore(row, sampling, 9)];
    expect(rows).toHaveLength(expected.length);
    const logProbs = rows.map((score) => score.logProb);
    const own = rows.map(({ token }) => addon().scoreToken(row, sampling, token).logProb);
    const best = expected.map((score) => score.logProb);
    expect(largestDifference(logProbs, own)).toBeLessThan(ROUNDING);
    expect(largestDifference(logProbs, best)).toBeLessThan(ROUNDING);
    const again = await context.expand([{ parent: sequence, token: 60 }], 1, sampling);
    const status = await context.status();
    expect(status).toMatchObject({ sequences: 4, generated: 2, decoded: 2, usedCells: 4 + 3 });
    expect(again).toHaveLength(1);
    await expect(context.logits(sequence)).rejects.toMatchObject({ code: "ERR_INVALID_STATE" });
  });
});

describe("expanding many", () => {
  test("takes one decode, or as many as the rows of logits need, with the same ranks", async () => {
    const requests = () => Array.from({ length: 30 }, (_, i) => ({ parent, token: 5 + i }));
    const runs = [];
    for (const [maxOutputs, decodes] of [
      [64, 1],
      [40, 1],
    ] as const) {
      await open({ maxOutputs, maxSequences: 32 });
      const before = (await context.status()).decodes;
      runs.push((await context.expand(requests(), 5, PLAIN)).map(({ tokens }) => [...tokens]));
      expect((await context.status()).decodes - before).toBe(decodes);
      if (maxOutputs === 64) await context.close();
    }
    expect(runs[1]).toEqual(runs[0]);
  });

  test("than there are sequences or cells is refused, and keeps nothing", async () => {
    await open({ maxSequences: 4, maxOutputs: 8, cells: 256 });
    const before = await context.status();
    const many = [1, 2, 3, 4].map((token) => ({ parent, token }));
    await expect(context.expand(many, 3, PLAIN)).rejects.toMatchObject({
      code: "ERR_CONTEXT_FULL",
    });
    const filler = await context.create();
    await context.prefill([{ sequence: filler, tokens: new Int32Array(252).fill(5) }]);
    await expect(context.expand([{ parent, token: 5 }], 3, PLAIN)).rejects.toMatchObject({
      code: "ERR_CONTEXT_FULL",
    });
    await context.free(filler);
    const after = await context.status();
    expect(after.sequences).toBe(before.sequences);
    expect(after.usedCells).toBe(before.usedCells);
    expect((await context.expand(many.slice(0, 3), 3, PLAIN))[2]?.tokens).toHaveLength(3);
  });

  test("stops when it is aborted, and frees what it took", async () => {
    await open();
    const requests = Array.from({ length: 30 }, (_, i) => ({ parent, token: i }));
    const running = [1, 2, 3].map(() => context.expand(requests, 5, PLAIN));
    context.abort();
    const ends = await Promise.allSettled(running);
    expect(ends.at(-1)).toMatchObject({ status: "rejected", reason: { code: "ERR_ABORTED" } });
    const done = ends.flatMap((end) => (end.status === "fulfilled" ? end.value : []));
    expect((await context.status()).sequences).toBe(1 + done.length);
  });
});

const drawsOf = (
  count: number,
  own: Partial<NativeGenerateRequest["draws"][number]>,
): NativeGenerateRequest["draws"] =>
  Array.from({ length: count }, (_, i) => ({
    parent,
    stream: [0, i, 0] as [number, number, number],
    position: 0,
    maxTokens: 6,
    keep: false,
    keepEnded: false,
    text: new Int32Array(),
    ...own,
  }));

const request = (own: Partial<NativeGenerateRequest>): NativeGenerateRequest => ({
  draws: drawsOf(1, {}),
  sampling: { ...PLAIN, temperature: 1.2 },
  key: [3, 4],
  stopStrings: [],
  stopTokens: new Int32Array(),
  answerEnd: null,
  maxTotalTokens: 1e9,
  sharePrefixes: true,
  timeLimitMs: null,
  ...own,
});

describe("texts that ended", () => {
  test.each([true, false])("keep their sequences, shared prefixes %s", async (sharePrefixes) => {
    await open();
    const eos = model.info().eos as number;
    // Few tokens: many draws are alike, and end at different lengths.
    const sampling = {
      ...PLAIN,
      temperature: 100,
      allowedTokens: Int32Array.of(eos, 50, 60).sort(),
    };
    const drawn = await context.generate(
      request({ draws: drawsOf(30, { keepEnded: true, maxTokens: 3 }), sampling, sharePrefixes }),
    );
    expect(new Set(drawn.map(({ finish }) => finish))).toEqual(new Set(["end", "length"]));
    expect((await context.status()).sequences).toBe(1 + drawn.length);
    for (const { tokens, sequence } of drawn) {
      // It lacks the last token: fed that, it goes on as the whole text does.
      await expect(context.logits(sequence)).rejects.toMatchObject({ code: "ERR_INVALID_STATE" });
      await context.prefill([{ sequence, tokens: tokens.slice(-1) }]);
      const twin = await context.fork(parent);
      await context.prefill([{ sequence: twin, tokens }]);
      const [ours, theirs] = [await context.logits(sequence), await context.logits(twin)];
      for (const i of [0, 50, 60, eos]) expect(ours[i]).toBeCloseTo(theirs[i] as number, 2);
      await context.free(twin);
    }
  });

  test("can be cut: what is drawn from the cut is drawn as from the prefix", async () => {
    await open();
    const sampling = { ...PLAIN, allowedTokens: Int32Array.of(50, 60, 70, 80) };
    const [text] = await context.generate(
      request({ draws: drawsOf(1, { keepEnded: true }), sampling }),
    );
    if (text === undefined) throw new Error("unreachable: one was drawn");
    const head = await context.fork(text.sequence);
    await context.truncate(head, PROMPT.length + 2);
    await context.prefill([{ sequence: head, tokens: text.tokens.slice(2, 3) }]);
    const [again] = await context.generate(
      request({ draws: drawsOf(1, { parent: head, position: 3, maxTokens: 3 }), sampling }),
    );
    // The same random numbers and the same prefix.
    expect(again?.tokens).toEqual(text.tokens.slice(3));
  });

  test("need no more places than are promised when all sequences are taken", async () => {
    await open({ maxSequences: 5, maxOutputs: 8 });
    const draws = drawsOf(4, { keepEnded: true, maxTokens: 3 });
    const drawn = await context.generate(request({ draws }));
    expect(drawn.every(({ sequence }) => sequence > 0)).toBe(true);
    const more = context.generate(request({ draws: drawsOf(1, {}) }));
    await expect(more).rejects.toMatchObject({ code: "ERR_CONTEXT_FULL" });
  });
});

describe("a power of the policy", () => {
  test.each(POLICIES)(
    "that is %s draws what it says, and reports the policy's own",
    async (_, policy) => {
      await open();
      const sharp = { ...policy, power: 3 };
      const drawn = await context.generate(request({ draws: drawsOf(10, {}), sampling: sharp }));
      const plain = await context.generate(request({ draws: drawsOf(10, {}), sampling: policy }));
      const scores = await context.score(
        drawn.map(({ tokens }) => ({ parent, tokens, keep: false })),
        policy,
      );
      for (const [i, { tokens, logProbs, drawnLogProbs }] of drawn.entries()) {
        expect(plain[i]?.drawnLogProbs).toHaveLength(0);
        expect(drawnLogProbs).toHaveLength(tokens.length);
        for (const [t, logProb] of logProbs.entries()) {
          // In the policy's support, which the power leaves as it is; scored in another batch.
          expect(logProb).toBeCloseTo(scores[i]?.logProbs[t] as number, 1);
          // log Σ p^3 is at most 0.
          expect(3 * logProb - (drawnLogProbs[t] as number)).toBeLessThan(1e-9);
        }
      }
    },
  );
});
