/** Plans of whole runs: they come first, their bounds hold, and refusals say what would fit. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { beam } from "../../src/methods/beam.js";
import { bestOfN } from "../../src/methods/best-of-n.js";
import { ets } from "../../src/methods/ets.js";
import { plan } from "../../src/methods/plan.js";
import type { MethodOptions } from "../../src/methods/registry.js";
import { sample } from "../../src/methods/sample.js";
import type { Plan } from "../../src/planning/run-plan.js";
import { QUESTION, useModel } from "../fixtures/models.js";

const model = useModel();
const proposal = useModel("mini-gsm-proposal");
const short: MethodOptions = { maxTokens: 24, candidates: 4, rollouts: 2, steps: 4 };
const withoutFree = ({ freeBytes: _, ...rest }: Plan) => rest;

afterEach(() => vi.restoreAllMocks());

describe("a plan", () => {
  test("is told before the first step, and is the result's", async () => {
    const told: string[] = [];
    let planned: Plan | undefined;
    const result = await ets(model(), QUESTION, {
      ...short,
      onPlan: (p) => {
        planned = p;
        told.push("plan");
      },
      onProgress: () => told.push("progress"),
      onStep: () => told.push("step"),
    });
    expect(told[0]).toBe("plan");
    expect(told.filter((what) => what === "plan")).toHaveLength(1);
    expect(result.plan).toEqual(planned);
  });

  test("can be had without a run", async () => {
    const { plan: ran } = await ets(model(), QUESTION, short);
    expect(withoutFree(await plan(model(), QUESTION, short))).toEqual(withoutFree(ran));
    const { plan: best } = await bestOfN(model(), QUESTION, short);
    const asked = await plan(model(), QUESTION, { ...short, method: "best-of-n" });
    expect(withoutFree(asked)).toEqual(withoutFree(best));
    expect(asked).toMatchObject({ steps: 1, rollouts: 1, candidates: 4, proposal: null });
    expect(await plan(model(), QUESTION, { ...short, method: "greedy" })).toMatchObject({
      method: "greedy",
      candidates: 1,
      steps: 1,
      model: { tokens: { generated: 24 } },
    });
  });

  test("is of both models under ETS-IS, whose contexts are in use together", async () => {
    const { method, peakBytes, ...planned } = await plan(model(), QUESTION, {
      ...short,
      proposal: proposal(),
    });
    expect(method).toBe("ets-is");
    expect(planned.proposal?.sequences).toBeGreaterThan(planned.model.sequences);
    const totals = [planned.model, planned.proposal].map((m) => m?.memory.total ?? 0);
    expect(peakBytes).toBe(totals.reduce((a, b) => a + b, 0));
    for (const { memory } of [planned.model, planned.proposal as Plan["model"]]) {
      const { total, ...parts } = memory;
      expect(Object.values(parts).reduce((a, b) => a + b, 0)).toBe(total);
    }
  });

  test("bounds tokens by M·d·(1 + K·(I - 1)/2) where blocks divide the answer", async () => {
    const { tokens } = (await plan(model(), QUESTION, short)).model;
    expect(tokens.generated).toBe(4 * 24 * (1 + (2 * 3) / 2));
    const odd = await plan(model(), QUESTION, { ...short, steps: 5 }); // blocks of 5, 5, 5, 5, 4
    expect(odd.model.tokens.generated).toBe(4 * (24 + 2 * (19 + 14 + 9 + 4)));
  });

  test.each<[string, MethodOptions, boolean]>([
    ["ets", {}, false],
    ["ets in odd blocks", { steps: 5 }, false],
    ["ets that resamples", { finish: "resample" }, false],
    ["ets of one step", { steps: 1 }, false],
    ["ets with a budget", { budget: { tokens: 60 } }, false],
    ["ets-is", {}, true],
    ["ets-is with a mixture", { rollouts: 4, mixture: 0.5 }, true],
    ["ets-is with a budget", { budget: { tokens: 60 } }, true],
  ])("bounds what %s uses, when nothing ends early or repeats", async (_, own, isProposed) => {
    // Almost uniform draws: hardly ever an end token, no two candidates alike.
    const result = await ets(model(), QUESTION, {
      ...short,
      ...own,
      temperature: 100,
      shortcuts: { duplicates: false, decided: false },
      ...(isProposed && { proposal: proposal() }),
    });
    const { usage, proposalUsage, stopReason } = result;
    const planned = result.plan;
    for (const [used, bound] of [
      [usage, planned.model.tokens],
      [proposalUsage, planned.proposal?.tokens],
    ] as const) {
      expect(used?.generated ?? 0).toBeLessThanOrEqual(bound?.generated ?? 0);
      expect(used?.prefilled ?? 0).toBeLessThanOrEqual(bound?.prefilled ?? 0);
      expect(used?.scored ?? 0).toBeLessThanOrEqual(bound?.scored ?? 0);
    }
    if (stopReason === "budget") return;
    const spent = usage.generated + usage.scored;
    const bound = planned.model.tokens.generated + planned.model.tokens.scored;
    expect(spent).toBeGreaterThan(0.7 * bound);
  });
});

test("a plan bounds what beam uses, whose texts all end at their last token", async () => {
  const allowedTokens = Array.from({ length: 60 }, (_, i) => 20 + i);
  for (const candidates of [1, 4, 7]) {
    const { usage, plan: planned } = await beam(model(), QUESTION, {
      candidates,
      maxTokens: 12,
      allowedTokens,
    });
    expect(usage.generated).toBeGreaterThanOrEqual(candidates * 11);
    expect(usage.generated).toBeLessThanOrEqual(planned.model.tokens.generated);
  }
});

/** What a refused plan says would fit, as options. */
async function curesOf(options: MethodOptions, code: string): Promise<Record<string, number>[]> {
  const error = await plan(model(), QUESTION, options).then(
    () => expect.unreachable("it fits"),
    (error: Error) => error,
  );
  expect(error).toMatchObject({ code });
  const [, fix = ""] = error.message.split("\nTry: ");
  return fix.split(" or ").map((cure) => {
    const [name = "", value] = cure.split(": ");
    return { [name]: Number(value) };
  });
}

describe("a plan that doesn't fit", () => {
  const fits = (options: MethodOptions) =>
    plan(model(), QUESTION, options).then(
      () => true,
      () => false,
    );

  test("of too long an answer says the longest that does", async () => {
    const [cure, ...others] = await curesOf({ maxTokens: 5000 }, "ERR_CONTEXT_FULL");
    expect(others).toEqual([]);
    const { tokens } = await model().encodePrompt(QUESTION);
    expect(cure).toEqual({ maxTokens: model().info.contextLength - tokens.length });
    expect(await fits(cure as MethodOptions)).toBe(true);
  });

  test("of too many candidates kept at once says how many can be, or one step", async () => {
    const many = { ...short, candidates: 300 };
    expect(await curesOf(many, "ERR_INVALID_OPTION")).toEqual([{ candidates: 254 }, { steps: 1 }]);
    expect(await fits({ ...many, candidates: 254 })).toBe(true);
    expect(await fits({ ...many, candidates: 255 })).toBe(false);
    expect(await fits({ ...many, steps: 1 })).toBe(true);
    const { steps: _, ...inBlocks } = { ...many, blockTokens: 6 };
    expect(await curesOf(inBlocks, "ERR_INVALID_OPTION")).toContainEqual({ steps: 1 });
    const proposed = { ...many, proposal: proposal() };
    expect(await curesOf(proposed, "ERR_INVALID_OPTION")).toEqual([{ candidates: 253 }]);
  });

  test("into memory says which answer or how many candidates would", async () => {
    const large = { ...short, candidates: 200, maxTokens: 400, steps: 4 };
    vi.spyOn(process.memoryUsage, "rss").mockReturnValue(0);
    vi.spyOn(process, "constrainedMemory").mockReturnValue(20 * 2 ** 20);
    const cures = await curesOf(large, "ERR_OUT_OF_MEMORY");
    expect(cures.map((cure) => Object.keys(cure)[0])).toEqual(["maxTokens", "candidates"]);
    for (const cure of cures) {
      const [name = "", value = 0] = Object.entries(cure)[0] ?? [];
      expect(await fits({ ...large, ...cure })).toBe(true);
      expect(await fits({ ...large, [name]: value + 1 })).toBe(false);
    }
  });

  test("at all says so", async () => {
    vi.spyOn(process, "constrainedMemory").mockReturnValue(1);
    await expect(sample(model(), QUESTION)).rejects.toMatchObject({
      code: "ERR_OUT_OF_MEMORY",
      message: expect.stringContaining("a smaller model"),
    });
  });
});
