/** Beam search over denoising steps: what it finds, against greedy denoising and exhaustive search. */

import { describe, expect, test } from "vitest";
import type { FoundText } from "../../src/engine/denoiser.js";
import type { SearchRequest } from "../../src/engine/denoising-request.js";
import type { DiffusionContext } from "../../src/engine/local/diffusion-context.js";
import { scoreUnmasking } from "../../src/engine/unmasking.js";
import {
  type Changes,
  LENGTH,
  largestDifference,
  logProbsOf,
  openDream,
  requestFor,
  sampling,
  tokensOf,
  useDream,
} from "../fixtures/dream.js";

useDream();

/** Searches from one text of masks, unless `texts` says otherwise. */
function searchFor(
  context: DiffusionContext,
  width: number,
  { texts, ...changes }: Omit<Changes, "texts"> & Partial<Pick<SearchRequest, "texts">> = {},
): SearchRequest {
  const { texts: masked, stopAtEnd: _, ...request } = requestFor(context, changes);
  return {
    ...request,
    texts: texts ?? masked.map(({ tokens }) => ({ tokens, logProb: 0 })),
    stream: [0, 0, 0],
    width,
    wanted: 1024,
  };
}

const sum = (numbers: Iterable<number>) =>
  [...numbers].reduce((total, x) => (Number.isNaN(x) ? total : total + x), 0);
const byLogProb = (a: FoundText, b: FoundText) => b.logProb - a.logProb;

const RULES: [string, Omit<Changes, "texts">][] = [
  ["low-confidence", {}],
  ["low-confidence, three positions a step", { schedule: { steps: 9, to: 9 } }],
  ["entropy, guided", { remasking: "entropy", cfgScale: 0.5 }],
  ["margin", { remasking: "margin" }],
  ["random", { remasking: "random" }],
];

test.each(RULES)("of width 1 is greedy denoising: %s", async (_, changes) => {
  await using context = await openDream();
  const greedy = { ...changes, sampling: sampling({ temperature: 0 }) };
  const [expected] = await context.denoise({ ...requestFor(context, greedy), stopAtEnd: true });
  const found = await context.search(searchFor(context, 1, changes));
  expect(found).toHaveLength(1);
  expect(found[0]).toMatchObject({ finish: expected?.finish, origin: 0 });
  expect(found[0]?.tokens).toEqual(expected?.tokens);
  expect(found[0]?.order).toEqual(expected?.order);
  expect(found[0]?.logProb).toBeCloseTo(sum(found[0]?.logProbs ?? []), 9);
  expect(found[0]?.logProb).toBeLessThan(0);
});

test("log p is that of the tokens, each given the text before its step", async () => {
  await using context = await openDream();
  const request = searchFor(context, 5, { schedule: { steps: 12, to: 6 } });
  const found = await context.search(request);
  expect(found.map(({ finish }) => finish)).toEqual(new Array(5).fill("schedule"));
  expect(new Set(tokensOf(found).map(String)).size).toBe(5);
  expect(found).toEqual(found.toSorted(byLogProb));
  const scores = await scoreUnmasking(context, request.prompt, found, request);
  expect(largestDifference(logProbsOf(found), scores)).toBeLessThan(1e-3);
});

test("finds the most probable pairs of a step that unmasks two positions", async () => {
  await using context = await openDream();
  const changes: Omit<Changes, "texts"> = {
    sampling: sampling({ allowedTokens: [11, 222, 333, 444] }),
    remasking: "random",
    schedule: { steps: 12, to: 1 },
  };
  const request = searchFor(context, 7, changes);
  const found = await context.search(request);
  const at = [...(found[0]?.order ?? [])].flatMap((step, i) => (step === 0 ? [i] : []));
  expect(at).toHaveLength(2);
  const masked = new Int32Array(LENGTH).fill(context.maskToken);
  const [first, second] = await Promise.all(
    at.map(async (position) => {
      const states = request.sampling.allowedTokens.map((token) => ({
        tokens: masked,
        targets: new Int32Array(LENGTH).fill(-1).fill(token, position, position + 1),
      }));
      const scores = await context.scoreStates(request.prompt, states, request);
      return scores.map((score) => score[position] as number);
    }),
  );
  const pairs = (first ?? []).flatMap((a) => (second ?? []).map((b) => a + b));
  const best = pairs.sort((a, b) => b - a).slice(0, 7);
  expect(found).toHaveLength(7);
  for (const [i, { logProb }] of found.entries()) expect(logProb).toBeCloseTo(best[i] as number, 3);
});

// In a model of one layer keys and values depend on their own token alone, so that none is stale.
test.each(["prefix", "dual"] as const)(
  "each hypothesis goes on with its own keys and values: %s cache",
  async (cache) => {
    await using exact = await openDream();
    await using cached = await openDream({ cache, singlePrecision: true, texts: 6 });
    for (const changes of [{}, { cfgScale: 0.5, schedule: { steps: 12, to: 12 } }]) {
      const expected = await exact.search(searchFor(exact, 6, changes));
      const found = await cached.search(searchFor(cached, 6, changes));
      expect(tokensOf(found)).toEqual(tokensOf(expected));
      expect(largestDifference(logProbsOf(found), logProbsOf(expected))).toBeLessThan(1e-3);
    }
    const { blockPasses, fullPasses } = await cached.status();
    expect(blockPasses).toBeGreaterThan(2 * fullPasses);
  },
);

test("goes on from several texts as from each, and keeps the best of all", async () => {
  await using context = await openDream();
  const texts = (await context.search(searchFor(context, 3, { schedule: { to: 8 } }))).map(
    ({ tokens, logProb }) => ({ tokens, logProb }),
  );
  const schedule = { from: 8, to: 9 };
  const all = await context.search(searchFor(context, 4, { texts, schedule }));
  const each = await Promise.all(
    texts.map(async (text, origin) => {
      const found = await context.search(searchFor(context, 4, { texts: [text], schedule }));
      return found.map((one) => ({ ...one, origin }));
    }),
  );
  const best = each.flat().sort(byLogProb).slice(0, 4);
  expect(tokensOf(all)).toEqual(tokensOf(best));
  expect(all.map(({ origin }) => origin)).toEqual(best.map(({ origin }) => origin));
});

describe("ends", () => {
  test("with as many ended texts as are wanted, without those that go on", async () => {
    await using context = await openDream();
    const found = await context.search({ ...searchFor(context, 4), wanted: 1 });
    expect(found.every(({ finish }) => finish === "end" || finish === "length")).toBe(true);
    expect(found.length).toBeGreaterThanOrEqual(1);
  });

  test("with a budget, within a step, with what it has so far", async () => {
    await using context = await openDream();
    const found = await context.search({ ...searchFor(context, 3), maxTotalTokens: 10 });
    expect(found.map(({ finish }) => finish)).toEqual(["budget", "budget", "budget"]);
    expect(context.progress).toBeLessThan(10 + 2 * 3);
    const [first] = found;
    expect([...(first?.order ?? [])].filter((step) => step >= 0)).toHaveLength(4);
  });

  test("with ERR_ABORTED, and the context goes on", async () => {
    await using context = await openDream();
    const running = context.search(searchFor(context, 64));
    while (context.progress === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    context.abort();
    await expect(running).rejects.toMatchObject({ code: "ERR_ABORTED" });
    expect(await context.search(searchFor(context, 2, { schedule: { to: 1 } }))).toHaveLength(2);
  });
});

describe("refused, with the context left as it was:", () => {
  const cases: [string, Partial<SearchRequest>, string][] = [
    ["no width", { width: 0 }, "ERR_INVALID_OPTION"],
    ["a width beyond the cached texts", { width: 4 }, "ERR_INVALID_ARGUMENT"],
    ["nothing wanted", { wanted: 0 }, "ERR_INVALID_OPTION"],
    ["a remasking that is none", { remasking: "sudden" as never }, "ERR_INVALID_OPTION"],
  ];
  test.each(cases)("%s", async (_, changes, code) => {
    await using context = await openDream({ cache: "dual", texts: 3 });
    const attempt = async () => context.search({ ...searchFor(context, 2), ...changes });
    await expect(attempt()).rejects.toMatchObject({ name: "LlamaEtsError", code });
    expect(await context.search(searchFor(context, 3, { schedule: { to: 1 } }))).toHaveLength(3);
  });

  test.each([
    ["a log-probability that is none", { logProb: Number.NaN }],
    ["masks that another step leaves", { tokens: new Int32Array(LENGTH).fill(7) }],
  ])("%s", async (_, changes) => {
    await using context = await openDream();
    const { texts, ...request } = searchFor(context, 2);
    const masked = texts[0] as SearchRequest["texts"][number];
    const halfDone = { ...masked, ...changes };
    if (halfDone.tokens !== masked.tokens) halfDone.tokens.fill(context.maskToken, 3);
    const attempt = context.search({ ...request, texts: [halfDone] });
    await expect(attempt).rejects.toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
    expect(await context.search(searchFor(context, 3, { schedule: { to: 1 } }))).toHaveLength(3);
  });
});
