/** The methods on a diffusion model: what they promise on any model, and what is its own. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { resolveSampling } from "../../src/engine/sampling.js";
import { plan } from "../../src/methods/plan.js";
import type { MethodOptions } from "../../src/methods/registry.js";
import { METHODS } from "../../src/methods/registry.js";
import type { Result } from "../../src/methods/result.js";
import { miniGsm } from "../../src/tasks/mini-gsm.js";
import { useModel } from "../fixtures/models.js";
import { endlessTokens } from "../fixtures/precise-model.js";
import { ROUNDING } from "../fixtures/rounding.js";

const QUESTION =
  "On a farm Rosa has 11 hens. She has 3 times as many ducks as hens. How many animals does Rosa have now?";
const model = useModel("mini-gsm-llada");
afterEach(() => vi.restoreAllMocks());
const base: MethodOptions = {
  extract: miniGsm.extract,
  maxTokens: 56,
  diffusion: { blockLength: 8, denoisingSteps: 14 },
  candidates: 3,
  seed: 1,
};
const run = (method: keyof typeof METHODS, options: MethodOptions = {}) => {
  const { candidates: _, ...alone } = base;
  const own = method === "sample" || method === "greedy" ? alone : base;
  return METHODS[method](model(), QUESTION, { ...own, ...options });
};
const plain = ({ tokens, logProbs, steps }: Result) => ({
  tokens,
  logProbs,
  steps: steps.map((step) => ({ ...step, ms: 0 })),
});

test.each(["greedy", "sample", "best-of-n", "majority", "ets", "particle"] as const)(
  "%s answers, and gives the same result for the same seed",
  async (method) => {
    // So cold that no draw leaves the model's own answer, of which it is sure.
    const options = method === "greedy" ? {} : { temperature: 0.2 };
    const result = await run(method, options);
    expect(result).toMatchObject({ answer: "44", stopReason: "end" });
    expect(result.logProbs).toHaveLength(result.tokens.length);
    expect(model().isEndToken(result.tokens.at(-1) as number)).toBe(true);
    expect(plain(await run(method, options))).toEqual(plain(result));
  },
);

test("what has no meaning for a diffusion model is refused, with the reason", async () => {
  await expect(run("power")).rejects.toThrow(/power needs .*: the p\(x\) that it raises to α is/);
  const diffusion = { blockLength: 8, parallel: { threshold: 0.7 } };
  await expect(run("beam", { diffusion })).rejects.toThrow(/beam compares texts of which as many/);
});

describe("beam", () => {
  test.each([
    ["exact passes, four positions a step", { blockLength: 8, denoisingSteps: 14 }],
    ["a dual cache", { blockLength: 8, cache: "dual" }],
  ] as const)("of width 1 is greedy, and a wider one finds no worse: %s", async (_, diffusion) => {
    const { candidates: __, ...alone } = base;
    const most = await METHODS.greedy(model(), QUESTION, { ...alone, diffusion });
    const one = await run("beam", { diffusion, candidates: 1 });
    expect(one.tokens).toEqual(most.tokens);
    const wide = await run("beam", { diffusion, candidates: 4 });
    expect(wide).toMatchObject({ answer: "44", stopReason: "end" });
    expect(wide.steps).not.toHaveLength(0);
    const bestOf = ({ steps }: Result) => steps.at(-1)?.logEnergies[0] as number;
    expect(bestOf(wide)).toBeGreaterThanOrEqual(bestOf(one) - ROUNDING);
    const { generated, passes, prefilled } = wide.plan.model.tokens;
    expect(wide.usage.generated).toBeLessThanOrEqual(generated);
    expect(wide.usage.passes).toBeLessThanOrEqual(passes);
    expect(wide.usage.prefilled).toBeLessThanOrEqual(prefilled);
    expect(plain(await run("beam", { diffusion, candidates: 4 }))).toEqual(plain(wide));
  });

  test("keeps keys and values of all its hypotheses at once, or says how many fit", async () => {
    const wide = { maxTokens: 256, candidates: 60, diffusion: { cache: "dual" } } as const;
    vi.spyOn(process.memoryUsage, "rss").mockReturnValue(0);
    vi.spyOn(process, "constrainedMemory").mockReturnValue(40 * 2 ** 20);
    const planned = (options: MethodOptions, method: "beam" | "best-of-n" = "beam") =>
      plan(model(), QUESTION, { ...options, method });
    const error = await planned(wide).catch((refusal) => refusal);
    expect(error.code).toBe("ERR_OUT_OF_MEMORY");
    const most = Number(/candidates: (\d+)/.exec(error.message)?.[1]);
    expect((await planned({ ...wide, candidates: most })).model).toMatchObject({
      parallel: most,
      waves: 1,
    });
    await expect(planned({ ...wide, candidates: most + 1 })).rejects.toThrow(/candidates/);
    // Without a cache, and by other methods, some wait for others.
    expect((await planned({ ...wide, diffusion: {} })).model.parallel).toBeGreaterThan(0);
    expect((await planned(wide, "best-of-n")).model.waves).toBeGreaterThan(1);
  });

  test("that a budget cuts short returns its best text so far", async () => {
    const { usage, stopReason, tokens, plan } = await run("beam", { budget: { tokens: 20 } });
    expect(stopReason).toBe("budget");
    expect(usage.generated).toBeGreaterThanOrEqual(20);
    expect(usage.generated).toBeLessThanOrEqual(plan.model.tokens.generated);
    expect(tokens).not.toHaveLength(0);
  });
});

test.each([
  ["steps of the schedule", { blockLength: 8, denoisingSteps: 8 }],
  ["blocks of a cached chain", { blockLength: 8, cache: "dual" as const }],
  ["blocks decoded in parallel", { blockLength: 8, parallel: { threshold: 0.7 } }],
])("mh goes back to %s, and stays within its plan", async (_, diffusion) => {
  const { usage, plan, acceptanceRate, steps } = await run("mh", {
    diffusion,
    temperature: 2,
    moves: 3,
    maxTokens: 16,
    reward: () => 0,
  });
  expect(steps).toHaveLength(3);
  // Every move is accepted where all texts have one reward.
  expect(acceptanceRate).toBe(1);
  const { generated, passes } = plan.model.tokens;
  expect(usage.generated).toBeLessThanOrEqual(generated);
  expect(usage.passes).toBeLessThanOrEqual(passes);
});

describe("ets-is", () => {
  test.each([
    ["random", "exact"],
    ["low-confidence", "approximate"],
  ] as const)("under %s remasking is labelled %s", async (remasking, ratio) => {
    const { settings, usage, proposalUsage } = await run("ets-is", {
      proposal: model(),
      temperature: 2,
      blockTokens: 24,
      maxTokens: 32,
      allowedTokens: endlessTokens(model()),
      diffusion: { blockLength: 8, remasking },
    });
    expect(settings).toMatchObject({ ratio, proposalDiffusion: { cache: "dual" } });
    // What the proposal unmasked, the reference has scored.
    expect(proposalUsage?.generated).toBeGreaterThan(0);
    expect(usage.scored).toBeGreaterThan(0);
    expect(usage.scored).toBeLessThanOrEqual(proposalUsage?.generated as number);
  });

  test("by one pass scores each rollout once under either model, within the plan", async () => {
    // One candidate a step and no end tokens: both runs draw the same.
    const options: MethodOptions = {
      proposal: model(),
      temperature: 2,
      blockTokens: 8,
      maxTokens: 16,
      candidates: 1,
      rollouts: 3,
      allowedTokens: endlessTokens(model()),
      diffusion: { blockLength: 8 },
      proposalSampling: { temperature: 3 },
      shortcuts: { decided: false },
    };
    const stepwise = await run("ets-is", options);
    const onePass = await run("ets-is", { ...options, ratio: "one-pass" });
    expect(onePass.settings.ratio).toBe("one-pass");
    expect(onePass.tokens).toEqual(stepwise.tokens);
    const { plan, usage, proposalUsage, steps } = onePass;
    const completions = steps[0]?.candidates[0]?.completions ?? [];
    expect(completions).toHaveLength(3);
    const texts = new Set(completions.map(({ tokens }) => tokens.join())).size;
    // Sixteen steps of the one candidate, then a pass for each text.
    expect(usage.passes).toBe(16 + texts);
    expect(proposalUsage?.passes).toBe((stepwise.proposalUsage?.passes as number) + texts);
    // The twin: step by step, texts are read as often as they have positions, but for what they share.
    expect(stepwise.usage.passes).toBeGreaterThanOrEqual(16 + 8);
    expect(usage.scored).toBe(proposalUsage?.scored);
    expect(usage.passes).toBeLessThanOrEqual(plan.model.tokens.passes);
    const bound = plan.proposal?.tokens;
    expect(proposalUsage?.passes).toBeLessThanOrEqual(bound?.passes as number);
    expect(proposalUsage?.scored).toBeLessThanOrEqual(bound?.scored as number);
  });

  test("by one pass of the same weights at the same temperature is not weighted at all", async () => {
    const { steps } = await run("ets-is", {
      proposal: model(),
      temperature: 2,
      blockTokens: 8,
      maxTokens: 16,
      candidates: 4,
      diffusion: { blockLength: 8 },
      ratio: "one-pass" as const,
      shortcuts: { decided: false, duplicates: false },
    });
    const [{ rolloutEss, distinctRollouts } = {}] = steps;
    expect(distinctRollouts).toBeGreaterThan(1);
    expect(rolloutEss).toBeCloseTo(distinctRollouts as number, 4);
  });
});

describe("a run that is cut short", () => {
  test("by tokens ends with the text so far, within a pass of its candidates", async () => {
    const { usage, stopReason, plan } = await run("ets", { budget: { tokens: 20 } });
    expect(stopReason).toBe("budget");
    expect(usage.generated).toBeGreaterThanOrEqual(20);
    expect(usage.generated).toBeLessThanOrEqual(plan.model.tokens.generated);
  });

  test("by its signal rejects with the signal's reason", async () => {
    const cancel = new AbortController();
    const reason = new Error("enough");
    const running = run("majority", {
      signal: cancel.signal,
      onProgress: () => cancel.abort(reason),
    });
    await expect(running).rejects.toBe(reason);
  });
});

test("usage counts the passes and the positions they computed, within the plan's bounds", async () => {
  const { usage, plan, prompt } = await run("ets");
  const { passes, prefilled, decoded } = usage;
  expect(passes).toBeGreaterThan(0);
  expect(passes).toBeLessThanOrEqual(plan.model.tokens.passes);
  expect(prefilled).toBe(passes * prompt.tokens.length);
  expect(decoded).toBe(passes * 56);
});

test("the text shown to a live view is the first one, as far as it is unmasked", async () => {
  const prompt = model().tokenize("Noah has 4");
  await using context = await model().openDenoiser({ length: prompt.length + 8, texts: 2 });
  const masked = new Int32Array(8).fill(context.maskToken);
  const [first] = await context.denoise({
    prompt,
    texts: [0, 1].map((i) => ({ tokens: masked, stream: [0, i, 0] as const })),
    schedule: { blockLength: 8, steps: 8, from: 0, to: 3 },
    sampling: resolveSampling({ temperature: 3 }, model().info.vocabSize),
    remasking: "random",
    key: [0, 0],
    stopAtEnd: false,
  });
  expect(context.shown).toEqual(first?.tokens);
  expect([...context.shown].filter((token) => token === context.maskToken)).toHaveLength(5);
});
