/** Denoising, against llama.cpp's own example, and against itself in other company. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type DenoisedText,
  type DenoiseRequest,
  DiffusionContext,
  type DiffusionContextOptions,
  type ParallelRule,
} from "../../src/engine/diffusion-context.js";
import { loadModel, openEngine } from "../../src/engine/load-model.js";
import { addon, type NativeModel } from "../../src/engine/native.js";
import { resolveSampling, type SamplingOptions } from "../../src/engine/sampling.js";
import { encodeGguf } from "../fixtures/gguf-writer.js";
import { QUESTION, useModel } from "../fixtures/models.js";
import { chiSquarePValue } from "../fixtures/statistics.js";
import { temporaryFile } from "../fixtures/temporary-directory.js";
import { tinyDream } from "../fixtures/tiny-models.js";

const bundled = useModel("mini-gsm-llada");

const DREAM_PROMPT = Int32Array.from({ length: 16 }, (_, i) => (i * 97 + 31) % 870);
const LENGTH = 24;

let dream: NativeModel;
let mapped: NativeModel;
const load = (path: string, cachesDiffusion: boolean) =>
  addon().loadModel({ path, gpuLayers: 0, cachesDiffusion, onProgress() {} }).promise;
beforeAll(async () => {
  await openEngine(false);
  const path = temporaryFile("dream.gguf", encodeGguf(tinyDream()));
  dream = await load(path, true);
  mapped = await load(path, false);
});
afterAll(() => {
  dream.close();
  mapped.close();
});

const sampling = (options: SamplingOptions = { temperature: 1 }) =>
  resolveSampling(options, dream.info().vocabSize);

type Changes = Partial<Omit<DenoiseRequest, "schedule">> & {
  count?: number;
  schedule?: Partial<DenoiseRequest["schedule"]>;
};

function openDream(options: Partial<DiffusionContextOptions> = {}, model = dream) {
  return DiffusionContext.open(model, {
    ...{ length: 40, texts: 16, guidance: true, threads: 1 },
    ...options,
  });
}

/** What tests denoise unless they say otherwise: 24 positions in blocks of 8, one a step. */
function requestFor(
  context: DiffusionContext,
  { count = 1, schedule, ...changes }: Changes = {},
): DenoiseRequest {
  const texts = Array.from({ length: count }, (_, i) => ({
    tokens: new Int32Array(LENGTH).fill(context.maskToken),
    stream: [0, i, 0] as const,
  }));
  return {
    ...{ prompt: DREAM_PROMPT, texts, key: [1, 2] as const, sampling: sampling() },
    ...{ remasking: "low-confidence" as const, stopAtEnd: false },
    ...changes,
    schedule: { blockLength: 8, steps: LENGTH, from: 0, to: LENGTH, ...schedule },
  };
}

const known = (values: Float64Array) => [...values].filter((x) => !Number.isNaN(x));
const largestDifference = (a: readonly Float64Array[], b: readonly Float64Array[]) => {
  const others = b.flatMap(known);
  const own = a.flatMap(known);
  expect(own).toHaveLength(others.length);
  return Math.max(...own.map((x, i) => Math.abs(x - (others[i] as number))));
};
const logProbsOf = (texts: readonly { logProbs: Float64Array }[]) => texts.map((t) => t.logProbs);
const tokensOf = (texts: readonly { tokens: Int32Array }[]) => texts.map((t) => [...t.tokens]);

// As test/fixtures/llama-cpp-diffusion.cpp prints them.
describe("greedy denoising unmasks what llama.cpp's own example does", () => {
  const ENDED = "593 25 220 17 271 220 16 21 256 220 18 17 257 372 25 220 18 17 297 220 16 18 256";
  test.each([
    ["one position a step", 8, 0, `${ENDED} 220 19 20 257 292 220 19 20`],
    ["two a step, guided", 4, 0.5, `${ENDED} 220 19 20 257 292 220 19 17`],
  ])("on the bundled LLaDA: %s", async (_, blockSteps, cfgScale, expected) => {
    const { tokens: prompt } = await bundled().encodePrompt(QUESTION);
    await using context = await bundled().openDiffusion({ length: 96, texts: 1, guidance: true });
    const [text] = await context.denoise({
      prompt: prompt.subarray(1),
      texts: [{ tokens: new Int32Array(56).fill(context.maskToken), stream: [0, 0, 0] }],
      schedule: { blockLength: 8, steps: 7 * blockSteps, from: 0, to: 7 * blockSteps },
      sampling: resolveSampling({ temperature: 0 }, bundled().info.vocabSize),
      ...{ key: [0, 0], remasking: "low-confidence", cfgScale, stopAtEnd: false },
    });
    const ends = Array.from({ length: 56 - 31 }, () => bundled().info.eos);
    expect([...(text?.tokens ?? [])]).toEqual([...expected.split(" ").map(Number), ...ends]);
  });

  const dreams: [string, number, number, string][] = [
    [
      "one position a step",
      8,
      0,
      "82 386 42 686 609 686 686 386 795 485 395 355 447 386 795 661 866 511 135 386 447 716 775 894",
    ],
    [
      "three, three and two a step",
      3,
      0,
      "82 386 42 82 686 686 686 386 795 485 395 686 511 386 386 592 457 885 446 386 867 747 732 686",
    ],
    [
      "guided",
      8,
      1.5,
      "747 386 565 447 708 447 135 386 269 19 878 532 518 386 386 269 110 394 686 386 464 386 177 105",
    ],
  ];
  test.each(dreams)("on a Dream of random weights: %s", async (_, blockSteps, cfgScale, tokens) => {
    for (const model of [dream, mapped]) {
      await using context = await openDream({}, model);
      const steps = 3 * blockSteps;
      const [text] = await context.denoise(
        requestFor(context, {
          ...{ sampling: sampling({ temperature: 0 }), cfgScale, schedule: { steps, to: steps } },
        }),
      );
      expect(text?.tokens.join(" ")).toBe(tokens);
    }
  });
});

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
    await using exact = await bundled().openDiffusion(settings);
    await using cached = await bundled().openDiffusion({ ...settings, cache: "dual" });
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
    await using stock = await openDream({}, mapped);
    const [own, other] = [context, stock].map((c) => c.denoise(requestFor(c, { count: 2 })));
    expect(tokensOf(await (own as never))).toEqual(tokensOf(await (other as never)));
    expect(dream.metadata()).toEqual(mapped.metadata());
    expect(dream.info()).toEqual(mapped.info());
    await expect(openDream({ cache: "dual" }, mapped)).rejects.toMatchObject({
      code: "ERR_UNSUPPORTED_MODEL",
    });
  });
});

describe("the log-probabilities", () => {
  const SAMPLING = sampling.bind(null, { temperature: 0.7, topK: 50 });

  test("are those of the drawn tokens in the state before their step", async () => {
    await using context = await openDream();
    for (const cfgScale of [0, 1]) {
      const changes = { sampling: SAMPLING(), cfgScale, schedule: { steps: 12, to: 12 } };
      const texts = await context.denoise(requestFor(context, { ...changes, count: 3 }));
      const scores = await context.scoreUnmasking(DREAM_PROMPT, texts, changes);
      expect(known(scores[0] as Float64Array)).toHaveLength(LENGTH);
      expect(largestDifference(scores, logProbsOf(texts))).toBeLessThan(1e-4);
      // Others than the final text's, which knows the tokens: that is the paper's approximation.
      const states = texts.map(({ tokens }) => ({ tokens, targets: tokens }));
      const approximate = await context.scoreStates(DREAM_PROMPT, states, changes);
      expect(largestDifference(scores, approximate)).toBeGreaterThan(0.1);
    }
  });
});

describe("a step draws", () => {
  const DRAWS = 4000;
  // False alarms: one run in 10,000 for each of the two tests.
  const ALARM = 1e-4;

  test("tokens by their probability, and positions uniformly", async () => {
    const allowedTokens = [100, 200, 300, 400, 500];
    await using context = await openDream();
    const policy = { sampling: sampling({ temperature: 1.5, allowedTokens }) };
    const request = requestFor(context, { ...policy, remasking: "random", schedule: { to: 1 } });
    const masked = request.texts[0]?.tokens as Int32Array;
    const texts = Array.from({ length: DRAWS }, (_, i) => ({
      tokens: masked,
      stream: [0, i, 0] as const,
    }));
    const drawn = await context.denoise({ ...request, texts });
    expect((await context.status()).fullPasses).toBe(Math.ceil(DRAWS / context.options.texts));

    const positions = drawn.map(({ order }) => order.indexOf(0));
    const counts = Array.from({ length: 8 }, (_, i) => positions.filter((p) => p === i).length);
    expect(
      chiSquarePValue(
        counts,
        counts.map(() => 1 / 8),
      ),
    ).toBeGreaterThan(ALARM);

    const at = 3;
    const states = allowedTokens.map((token) => ({
      tokens: masked,
      targets: masked.map((_, i) => (i === at ? token : -1)),
    }));
    const scores = await context.scoreStates(DREAM_PROMPT, states, policy);
    const probabilities = scores.map((score) => Math.exp(score[at] as number));
    expect(probabilities.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6);
    const tokens = drawn.filter(({ order }) => order[at] === 0).map((text) => text.tokens[at]);
    const frequencies = allowedTokens.map((token) => tokens.filter((t) => t === token).length);
    expect(chiSquarePValue(frequencies, probabilities)).toBeGreaterThan(ALARM);
    // The test can fail: the same counts against another law.
    expect(chiSquarePValue(frequencies, probabilities.toReversed())).toBeLessThan(ALARM);
  });

  test("never the mask token", async () => {
    await using context = await openDream();
    const policy = sampling({ temperature: 1, allowedTokens: [5, context.maskToken] });
    const [text] = await context.denoise(requestFor(context, { sampling: policy }));
    expect(new Set(text?.tokens)).toEqual(new Set([5]));
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
    const steps = await parallelRun({ factor: 4 });
    expect(steps.length).toBeLessThan(LENGTH);
    for (const step of steps) {
      for (const [i, confidence] of step.entries()) {
        if (i > 0) expect(confidence).toBeGreaterThanOrEqual(1 - 4 / (i + 2));
      }
    }
  });
});

describe("a text ends", () => {
  test("with its first end token, whatever is masked after it, or goes on if asked", async () => {
    await using context = await bundled().openDiffusion({ length: 80, texts: 1 });
    const { tokens: prompt } = await bundled().encodePrompt(QUESTION);
    const tokens = new Int32Array(32).fill(context.maskToken);
    const { eos } = bundled().info;
    tokens.set([300, eos as number], 0);
    const request = {
      ...requestFor(context, { prompt, texts: [{ tokens, stream: [0, 0, 0] }] }),
      schedule: { blockLength: 2, steps: 32, from: 2, to: 4 },
    };
    const [ended] = await context.denoise({ ...request, stopAtEnd: true });
    expect(ended).toMatchObject({ finish: "end", steps: 0 });
    expect([...(ended?.tokens ?? [])]).toEqual([...tokens]);
    const [open] = await context.denoise(request);
    expect(open).toMatchObject({ finish: "end", steps: 2 });
  });

  test("where the budget does, with what it has", async () => {
    await using context = await openDream();
    const budget = { count: 2, maxTotalTokens: 7 };
    const texts = await context.denoise(requestFor(context, budget));
    expect(texts.map(({ finish }) => finish)).toEqual(["budget", "budget"]);
    const unmasked = texts.flatMap(({ order }) => [...order.filter((s) => s >= 0)]);
    expect(unmasked.length).toBeGreaterThanOrEqual(7);
    expect(unmasked.length).toBeLessThanOrEqual(8);
    const late = await context.denoise(requestFor(context, { timeLimitMs: 0 }));
    expect(late[0]).toMatchObject({ finish: "budget", steps: 0 });
  });
});

describe("refused, with the context left as it was:", () => {
  const tokens = (length: number, token = 881) => new Int32Array(length).fill(token);
  const text = (ids: Int32Array) => [{ tokens: ids, stream: [0, 0, 0] as const }];
  const halfDone = tokens(LENGTH).fill(7, 0, 3);
  const cases: [string, Changes, string][] = [
    [
      "texts of two lengths",
      { texts: [...text(tokens(24)), ...text(tokens(16))] },
      "ERR_INVALID_ARGUMENT",
    ],
    [
      "a text longer than the context",
      { texts: text(tokens(32)), schedule: { steps: 32 } },
      "ERR_CONTEXT_FULL",
    ],
    ["an empty prompt", { prompt: new Int32Array() }, "ERR_INVALID_ARGUMENT"],
    ["a token that is none", { texts: text(tokens(24, 5000)) }, "ERR_INVALID_ARGUMENT"],
    ["a negative token", { texts: text(tokens(24, -1)) }, "ERR_INVALID_ARGUMENT"],
    ["masks that another step leaves", { texts: text(halfDone) }, "ERR_INVALID_ARGUMENT"],
    [
      "a block that doesn't divide the text",
      { schedule: { blockLength: 7 } },
      "ERR_INVALID_OPTION",
    ],
    [
      "steps that the blocks don't divide",
      { schedule: { steps: 23, to: 23 } },
      "ERR_INVALID_OPTION",
    ],
    ["a step beyond the last", { schedule: { to: 25 } }, "ERR_INVALID_OPTION"],
    [
      "parallel decoding to within a block",
      { parallel: { threshold: 0.5 }, schedule: { to: 5 } },
      "ERR_INVALID_OPTION",
    ],
    [
      "parallel decoding of random positions",
      { parallel: { factor: 1 }, remasking: "random" },
      "ERR_INVALID_OPTION",
    ],
    ["a threshold above 1", { parallel: { threshold: 1.5 } }, "ERR_INVALID_OPTION"],
    ["a guidance that is none", { cfgScale: Number.NaN }, "ERR_INVALID_OPTION"],
    ["a remasking that is none", { remasking: "sudden" as never }, "ERR_INVALID_OPTION"],
  ];
  test.each(cases)("%s", async (_, changes, code) => {
    await using context = await openDream();
    const attempt = async () => context.denoise(requestFor(context, changes));
    await expect(attempt()).rejects.toMatchObject({ name: "LlamaEtsError", code });
    const [whole] = await context.denoise(requestFor(context));
    expect(whole?.finish).toBe("length");
  });

  test("guidance in a context without room for it", async () => {
    await using context = await openDream({ guidance: false });
    const attempt = context.denoise(requestFor(context, { cfgScale: 1 }));
    await expect(attempt).rejects.toMatchObject({ code: "ERR_INVALID_ARGUMENT" });
  });

  test("denoising with an autoregressive model, and extending texts with a diffusion model", async () => {
    const { refusals } = await autoregressiveRefusals();
    expect(refusals).toEqual(["ERR_UNSUPPORTED_MODEL", "ERR_UNSUPPORTED_MODEL"]);
    expect(bundled().kind).toBe("diffusion");
    const tooLong = bundled().openDiffusion({ length: 513, texts: 1 });
    await expect(tooLong).rejects.toMatchObject({ code: "ERR_CONTEXT_FULL" });
  });
});

async function autoregressiveRefusals() {
  const codeOfRejection = (work: Promise<unknown>) =>
    work.then(
      () => "none",
      (error: { code: string }) => error.code,
    );
  const other = await loadModel("mini-gsm-ref", { gpu: false });
  const refusals = [
    await codeOfRejection(other.openDiffusion({ length: 64, texts: 1 })),
    await codeOfRejection(bundled().score("text", [[1]], {}, { raw: true })),
  ];
  await other.dispose();
  return { refusals };
}

describe("what runs", () => {
  test("is aborted at once, and the context goes on", async () => {
    await using context = await openDream({ texts: 16 });
    const request = requestFor(context, { count: 2000 });
    const running = context.denoise(request);
    const waiting = context.denoise(requestFor(context));
    while (context.progress === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    context.abort();
    await expect(running).rejects.toMatchObject({ code: "ERR_ABORTED" });
    await expect(waiting).rejects.toMatchObject({ code: "ERR_ABORTED" });
    expect((await context.denoise(requestFor(context)))[0]?.finish).toBe("length");
  });

  test("is waited for by a disposal, after which calls are refused", async () => {
    const context = await openDream({ cache: "dual" });
    const running = context.denoise(requestFor(context, { count: 20 }));
    const closing = context[Symbol.asyncDispose]();
    await expect(context.denoise(requestFor(context))).rejects.toMatchObject({
      code: "ERR_DISPOSED",
    });
    expect(await running).toHaveLength(20);
    await closing;
    await context[Symbol.asyncDispose]();
  });

  test("is waited for by the model's disposal", async () => {
    const model = await loadModel("mini-gsm-llada", { gpu: false });
    const context = await model.openDiffusion({ length: 40, texts: 2, cache: "prefix" });
    const running = context.denoise(requestFor(context, { schedule: { to: 2 } }));
    await model.dispose();
    expect(await running).toHaveLength(1);
  });
});
