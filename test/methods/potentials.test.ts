/** What potentials promise their callers, on the table engine; their laws are in test/laws. */
import { describe, expect, test, vi } from "vitest";
import { ets } from "../../src/methods/ets.js";
import { particle } from "../../src/methods/particle.js";
import { plan } from "../../src/methods/plan.js";
import type { Completion } from "../../src/rewards/reward.js";
import { regexVerifier } from "../../src/rewards/verifier.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable } from "../fixtures/table-engine/tables.js";

const PROMPT = "Noah has 4";
const model = new TableModel(hashedTable(3));
const digits = ["1", "2", "7"].flatMap((digit) => [...model.tokenize(digit)]);
const policy = { raw: true, temperature: 5, allowedTokens: digits, maxTokens: 6 };
const guided = { ...policy, candidates: 6, blockTokens: 2 };
const sevens = ({ text }: Completion) => [...text].filter((c) => c === "7").length / 6;

describe.each([
  ["particle", particle],
  ["ets", ets],
] as const)("%s with a potential", (name, method) => {
  test("asks it about unfinished texts alone, each different one once a step", async () => {
    const asked: Completion[][] = [];
    const potential = {
      name: "asked",
      score: ({ pool }: { pool: readonly Completion[] }) => {
        asked.push([...pool]);
        return pool.map(sevens);
      },
    };
    const narrow = { ...guided, allowedTokens: digits.slice(0, 1) };
    const result = await method(model, PROMPT, { ...narrow, potential, reward: () => 0 });
    expect(asked).toHaveLength(2); // of three steps, the last of which ends all texts
    for (const pool of asked) {
      expect(pool.map(({ finishReason, samples }) => [finishReason, samples])).toEqual([[null, 6]]);
    }
    expect(result.usage.generated).toBe(6 * 6);
    expect(result.settings).toMatchObject({ potential: "asked", rollouts: 0 });
  });

  test("of no reward aims at what it says of the finished texts", async () => {
    const result = await method(model, PROMPT, { ...guided, lambda: 0.05, potential: sevens });
    expect(result.settings.reward).toBe("sevens");
    expect(result.reward).toBe(sevens(result as unknown as Completion));
    expect(result.law).toBe(name === "ets" ? "biased" : "target");
  });

  test("takes verifiers, and stays within its plan", async () => {
    const options = { ...guided, potential: regexVerifier("7"), reward: sevens };
    const { usage } = await method(model, PROMPT, options);
    const planned = await plan(model, PROMPT, { ...options, method: name });
    expect(planned.rollouts).toBe(0);
    expect(planned.model.tokens.generated).toBe(6 * 6);
    expect(usage.generated).toBeLessThanOrEqual(6 * 6);
    const rolled = await plan(model, PROMPT, { ...guided, method: name });
    expect(planned.model.cells).toBeLessThan(rolled.model.cells);
  });

  test.each([
    ["NaN", () => Number.NaN, /number, got `NaN` for candidate 0 at step 0, "[127]{2}"/],
    ["an infinity", () => Number.NEGATIVE_INFINITY, /`-Infinity` for candidate 0 at step 0/],
    ["no number", () => "good" as unknown as number, /got `"good"`/],
    ["too much for λ", () => 1e300, /1e\+300 \/ 1e-20 for candidate 0 at step 0.*\nTry: a larger/s],
    [
      "an exception",
      () => {
        throw new Error("no judgement today");
      },
      /potential `.*` failed at step 0: no judgement today/,
    ],
  ])("names the text for which it gives %s", async (_, potential, message) => {
    const run = method(model, PROMPT, { ...guided, lambda: 1e-20, potential, reward: () => 0 });
    await expect(run).rejects.toMatchObject({
      code: "ERR_REWARD",
      message: expect.stringMatching(message),
    });
    await expect(run).rejects.toThrow(/potential/);
  });

  test("can be cancelled while it judges", async () => {
    const cancel = new AbortController();
    const potential = vi.fn(() => {
      cancel.abort(new Error("enough"));
      return new Promise<number>(() => {});
    });
    const run = method(model, PROMPT, { ...guided, potential, signal: cancel.signal });
    await expect(run).rejects.toThrow("enough");
  });
});

describe("ets refuses a potential", () => {
  test.each([
    ["beside adaptive", { adaptive: true }, /`adaptive` needs rollouts/],
    ["to resample by", { finish: "resample" as const }, /"resample"` needs rollouts/],
    ["beside a proposal", { proposal: model }, /`potential` stands for the rollouts.*\nTry: one/],
  ])("%s", async (_, options, message) => {
    await expect(
      ets(model, PROMPT, { ...guided, potential: sevens, ...options }),
    ).rejects.toMatchObject({
      code: "ERR_INVALID_OPTION",
      message: expect.stringMatching(message),
    });
  });
});

test("a text that is decided is drawn on without guidance, and rewarded", async () => {
  const reward = {
    name: "first",
    score: ({ pool }: { pool: readonly Completion[] }) =>
      pool.map(({ text }) => (text.startsWith("7") ? 1 : 0)),
    isDecided: () => true,
  };
  const result = await ets(model, PROMPT, { ...guided, potential: sevens, reward });
  expect(result.steps).toHaveLength(1);
  expect(result.tokens).toHaveLength(6);
  expect(result.reward).toBe(result.text.startsWith("7") ? 1 : 0);
});

test("a diffusion model's unfinished texts are judged too", async () => {
  const diffusion = new TableModel(hashedTable(3), { kind: "diffusion" });
  const texts = { ...policy, maxTokens: 4, diffusion: { blockLength: 4 }, blockTokens: 1 };
  for (const method of [particle, ets]) {
    const options = { ...texts, candidates: 3, potential: sevens };
    const { steps, usage } = await method(diffusion, PROMPT, options);
    expect(steps.length).toBeGreaterThan(1);
    expect(steps[0]?.candidates.map(({ potential }) => typeof potential)).toEqual(
      Array(3).fill("number"),
    );
    expect(usage.generated).toBeLessThanOrEqual(3 * 4);
  }
});
