/** Keys and values that are kept, texts side by side and parallel decoding: what they leave as it is. */
import { describe, expect, test } from "vitest";
import type { DenoisedText } from "../../src/engine/denoiser.js";
import type { ParallelRule } from "../../src/engine/denoising-request.js";
import type {
  DiffusionContext,
  DiffusionContextOptions,
} from "../../src/engine/local/diffusion-context.js";
import {
  type Changes,
  LENGTH,
  largestDifference,
  logProbsOf,
  openDream,
  requestFor,
  tokensOf,
  useDream,
} from "../fixtures/dream.js";
import { useModel } from "../fixtures/models.js";

const bundled = useModel("mini-gsm-llada");
const dreams = useDream();

describe("keys and values that are kept", () => {
  // In a model of one layer they depend on their own token alone: keeping them changes nothing.
  test.each(["prefix", "dual"] as const)(
    "give the logits of full passes where they are not stale: %s",
    async (cache) => {
      await using exact = await openDream();
      await using cached = await openDream({ cache, singlePrecision: true });
      for (const remasking of ["low-confidence", "random"] as const) {
        for (const cfgScale of [0, 0.5]) {
          const changes: Changes = { remasking, cfgScale, count: 4 };
          const expected = await exact.denoise(requestFor(exact, changes));
          const texts = await cached.denoise(requestFor(cached, changes));
          expect(tokensOf(texts)).toEqual(tokensOf(expected));
          expect(largestDifference(logProbsOf(texts), logProbsOf(expected))).toBeLessThan(1e-3);
        }
      }
      const { blockPasses, fullPasses, shared } = await cached.status();
      expect(blockPasses).toBeGreaterThan(5 * fullPasses);
      expect(shared).toBeGreaterThan(0);
    },
  );

  test("are computed anew at a block's first step, and go stale within it", async () => {
    const prompt = Int32Array.from({ length: 12 }, (_, i) => 100 + 7 * i);
    const settings = { length: 28, texts: 1, singlePrecision: true };
    await using exact = await bundled().openDenoiser(settings);
    await using cached = await bundled().openDenoiser({ ...settings, cache: "dual" });
    const changes: Changes = { prompt, schedule: { blockLength: 4, steps: 16, from: 4, to: 8 } };
    const tokens = new Int32Array(16)
      .fill(exact.maskToken)
      .map((mask, i) => (i < 4 ? 300 + i : mask));
    const texts = [{ tokens, stream: [0, 0, 0] as const }];
    const run = (context: DiffusionContext) =>
      context.denoise(requestFor(context, { ...changes, texts, remasking: "random" }));
    const [[own], [other]] = [await run(exact), await run(cached)];
    const differences = [4, 5, 6, 7].map((step) => {
      const at = own?.order.indexOf(step) ?? -1;
      return Math.abs((own?.logProbs[at] ?? 0) - (other?.logProbs[at] ?? 0));
    });
    expect(differences[0]).toBeLessThan(1e-3);
    expect(Math.max(...differences)).toBeGreaterThan(1e-3);
  });
});

describe("a text is denoised alike", () => {
  const both: [string, Partial<DiffusionContextOptions>][] = [
    ["exactly", {}],
    ["with a dual cache", { cache: "dual", singlePrecision: true }],
  ];
  test.each(both)("alone and in company, %s", async (_, options) => {
    await using context = await openDream({ ...options, texts: 3 });
    const request = requestFor(context, { count: 5, cfgScale: 0.5 });
    const together = await context.denoise(request);
    for (const [i, text] of request.texts.entries()) {
      const alone = await context.denoise({ ...request, texts: [text] });
      expect([...(alone[0]?.tokens ?? [])]).toEqual([...(together[i]?.tokens ?? [])]);
      expect(largestDifference(logProbsOf(alone), logProbsOf([together[i] as never]))).toBeLessThan(
        1e-3,
      );
    }
    expect(new Set(together.map(({ tokens }) => tokens.join())).size).toBe(5);
  });

  test("in one call and in several", async () => {
    await using context = await openDream();
    const request = requestFor(context, { count: 2 });
    const whole = await context.denoise(request);
    let { texts } = request;
    const orders: Int32Array[] = [];
    for (const [from, to] of [
      [0, 5],
      [5, 8],
      [8, 19],
      [19, 24],
    ] as const) {
      const part = await context.denoise({
        ...request,
        texts,
        schedule: { ...request.schedule, from, to },
      });
      texts = texts.map((text, i) => ({ ...text, tokens: part[i]?.tokens as Int32Array }));
      orders.push(...part.map(({ order }) => order));
      expect(part.every(({ finish }) => finish === (to === LENGTH ? "length" : "schedule"))).toBe(
        true,
      );
    }
    expect(tokensOf(texts)).toEqual(tokensOf(whole));
    const unmasked = orders
      .filter((_, i) => i % 2 === 0)
      .map((order) => order.filter((s) => s >= 0));
    expect(unmasked.flatMap((order) => [...order].sort((a, b) => a - b))).toEqual(
      Array.from({ length: LENGTH }, (_, i) => i),
    );
  });

  test("from a file that is mapped and from one that keys and values can be kept of", async () => {
    await using context = await openDream();
    await using stock = await openDream({}, dreams().mapped);
    const [own, other] = [context, stock].map((c) => c.denoise(requestFor(c, { count: 2 })));
    expect(tokensOf(await (own as never))).toEqual(tokensOf(await (other as never)));
    const { dream, mapped } = dreams();
    expect(dream.metadata()).toEqual(mapped.metadata());
    const renamed = { isMapped: false, cachingArchitecture: null };
    expect(dream.info()).toEqual({ ...mapped.info(), ...renamed });
    await expect(openDream({ cache: "dual" }, dreams().mapped)).rejects.toMatchObject({
      code: "ERR_UNSUPPORTED_MODEL",
    });
  });
});

describe("parallel decoding unmasks", () => {
  const parallelRun = async (parallel: ParallelRule) => {
    await using context = await openDream({ cache: "dual", singlePrecision: true });
    const [text] = await context.denoise(requestFor(context, { parallel }));
    const { tokens, order, rawLogProbs, steps, finish } = text as DenoisedText;
    expect(tokens).not.toContain(context.maskToken);
    expect(finish).toBe("length");
    const confidences = Array.from({ length: steps }, (_, step) =>
      [...order.entries()]
        .filter(([, s]) => s === step)
        .map(([i]) => Math.exp(rawLogProbs[i] as number)),
    );
    return confidences.map((own) => own.sort((a, b) => b - a));
  };

  test("all of a block at a threshold of 0, and single positions at 1", async () => {
    expect((await parallelRun({ threshold: 0 })).map((step) => step.length)).toEqual([8, 8, 8]);
    expect(await parallelRun({ threshold: 1 })).toHaveLength(LENGTH);
  });

  test("what is above the threshold, and the most confident otherwise", async () => {
    const steps = await parallelRun({ threshold: 0.01 });
    expect(steps.length).toBeGreaterThan(3);
    expect(steps.length).toBeLessThan(LENGTH);
    for (const step of steps) {
      if (step.length > 1) expect(Math.min(...step)).toBeGreaterThanOrEqual(0.01);
    }
  });

  test("as many as the factor rule allows", async () => {
    // Two positions always: 1 - 3.5 / 3 is below 0.
    const steps = await parallelRun({ factor: 3.5 });
    expect(steps.length).toBeLessThanOrEqual(LENGTH / 2);
    for (const step of steps) {
      for (const [i, confidence] of step.entries()) {
        if (i > 0) expect(confidence).toBeGreaterThanOrEqual(1 - 3.5 / (i + 2));
      }
    }
  });
});
