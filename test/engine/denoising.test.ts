/** Denoising against llama.cpp's own example, and against its definition. */

import { describe, expect, test } from "vitest";
import { resolveSampling } from "../../src/engine/sampling.js";
import { scoreUnmasking } from "../../src/engine/unmasking.js";
import {
  DREAM_PROMPT,
  known,
  LENGTH,
  largestDifference,
  logProbsOf,
  openDream,
  requestFor,
  sampling,
  useDream,
} from "../fixtures/dream.js";
import { QUESTION, useModel } from "../fixtures/models.js";
import { chiSquarePValue } from "../fixtures/statistics.js";

const bundled = useModel("mini-gsm-llada");
const loaded = useDream();

// As test/fixtures/llama-cpp-diffusion.cpp prints them.
describe("greedy denoising unmasks what llama.cpp's own example does", () => {
  const ENDED = "593 25 220 17 271 220 16 21 256 220 18 17 257 372 25 220 18 17 297 220 16 18 256";
  test.each([
    ["one position a step", 8, 0, `${ENDED} 220 19 20 257 292 220 19 20`],
    ["two a step, guided", 4, 0.5, `${ENDED} 220 19 20 257 292 220 19 17`],
  ])("on the bundled LLaDA: %s", async (_, blockSteps, cfgScale, expected) => {
    const { tokens: prompt } = await bundled().encodePrompt(QUESTION);
    await using context = await bundled().openDenoiser({ length: 96, texts: 1, guidance: true });
    const [text] = await context.denoise({
      prompt: prompt.subarray(1),
      texts: [{ tokens: new Int32Array(56).fill(context.maskToken), stream: [0, 0, 0] }],
      schedule: { blockLength: 8, steps: 7 * blockSteps, from: 0, to: 7 * blockSteps },
      sampling: resolveSampling({ temperature: 0 }, bundled().info.vocabSize),
      key: [0, 0],
      remasking: "low-confidence",
      cfgScale,
      stopAtEnd: false,
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
    for (const model of Object.values(loaded())) {
      await using context = await openDream({}, model);
      const steps = 3 * blockSteps;
      const [text] = await context.denoise(
        requestFor(context, {
          sampling: sampling({ temperature: 0 }),
          cfgScale,
          schedule: { steps, to: steps },
        }),
      );
      expect(text?.tokens.join(" ")).toBe(tokens);
    }
  });
});

describe("the log-probabilities", () => {
  const SAMPLING = sampling.bind(null, { temperature: 0.7, topK: 50 });

  test("are those of the drawn tokens in the state before their step", async () => {
    await using context = await openDream();
    for (const cfgScale of [0, 1]) {
      const changes = { sampling: SAMPLING(), cfgScale, schedule: { steps: 12, to: 12 } };
      const texts = await context.denoise(requestFor(context, { ...changes, count: 3 }));
      const scores = await scoreUnmasking(context, DREAM_PROMPT, texts, changes);
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

describe("a text ends", () => {
  test("with its first end token, whatever is masked after it, or goes on if asked", async () => {
    await using context = await bundled().openDenoiser({ length: 80, texts: 1 });
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
