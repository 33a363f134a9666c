/** What results say of their texts: reward, best text seen, law, divergence; on the table engine. */
import { describe, expect, test } from "vitest";
import { beam } from "../../src/methods/beam.js";
import { bestOfN } from "../../src/methods/best-of-n.js";
import { divergenceOfChoice } from "../../src/methods/divergence.js";
import { ets } from "../../src/methods/ets.js";
import { majority } from "../../src/methods/majority.js";
import { mh } from "../../src/methods/mh.js";
import { particle } from "../../src/methods/particle.js";
import { power } from "../../src/methods/power.js";
import type { MethodOptions } from "../../src/methods/registry.js";
import type { Result } from "../../src/methods/result.js";
import { greedy, sample } from "../../src/methods/sample.js";
import type { Completion } from "../../src/rewards/reward.js";
import { selfConsistency } from "../../src/rewards/self-consistency.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable } from "../fixtures/table-engine/tables.js";

const PROMPT = "Noah has 4";
const model = new TableModel(hashedTable(3));
const proposal = new TableModel(hashedTable(4));
const digits = ["1", "2", "5", "7"].flatMap((digit) => [...model.tokenize(digit)]);
const policy = { raw: true, temperature: 6, allowedTokens: digits, maxTokens: 4 };
const guided: MethodOptions = { ...policy, candidates: 4, blockTokens: 2, lambda: 0.5 };
/** From 0 to 1, different for most texts. */
const dense = ({ text }: { text: string }) => (Number(text) % 97) / 97;

/** A reward that remembers the finished texts that it was asked about, in their order. */
function remembering(rewardOf = dense) {
  const seen: { text: string; reward: number }[] = [];
  const reward = (completion: Completion) => {
    const { text } = completion;
    seen.push({ text, reward: rewardOf(completion) });
    return rewardOf(completion);
  };
  return { seen, reward };
}

type Call = (options: MethodOptions) => Promise<Result>;
const REWARDED: [string, Call][] = [
  ["ets", (options) => ets(model, PROMPT, options)],
  ["ets with a potential", (options) => ets(model, PROMPT, { ...options, potential: () => 0 })],
  ["ets-is", (options) => ets(model, PROMPT, { ...options, proposal })],
  ["particle", (options) => particle(model, PROMPT, options)],
  ["best-of-n", ({ blockTokens: _, ...options }) => bestOfN(model, PROMPT, options)],
  ["mh", ({ blockTokens: _, ...options }) => mh(model, PROMPT, { ...options, moves: 4 })],
];

describe.each(REWARDED)("%s", (name, run) => {
  test("reports the best of all texts that it rewarded, and where it was seen", async () => {
    for (let seed = 0; seed < 5; seed++) {
      const { seen, reward } = remembering();
      const result = await run({ ...guided, reward, seed });
      const most = Math.max(...seen.map((one) => one.reward));
      expect(result.best).toMatchObject(seen.find((one) => one.reward === most) as object);
      expect(result.reward).toBe(dense(result));
      if (name === "mh") continue; // which has seen texts that no step kept
      const { step = 0, candidate = 0, rollout = null } = result.best ?? {};
      const completions = result.steps[step]?.candidates[candidate]?.completions;
      expect(completions?.find((c) => c.rollout === rollout)).toMatchObject({ reward: most });
    }
  });

  test('with finish: "best" ends with it, and says that it is no sample', async () => {
    const { reward } = remembering();
    const chained = await run({ ...guided, reward });
    const result = await run({ ...guided, reward, finish: "best" });
    expect(result).toMatchObject({ text: chained.best?.text, reward: chained.best?.reward });
    expect(result.tokens).toHaveLength(4);
    expect(result.logProbs).toHaveLength(4);
    expect(result.stopReason).toBe("length");
    expect(result.law).toBe("none");
    expect(result.settings.finish).toBe("best");
    expect(chained.law).toBe(
      { "best-of-n": "none", "ets with a potential": "biased" }[name] ?? "target",
    );
    if (name !== "best-of-n") expect(result.divergence).toBeNull();
  });

  test("takes the first of equals", async () => {
    const { seen, reward } = remembering(() => 0.25);
    const { best } = await run({ ...guided, reward });
    expect(best).toMatchObject({ text: seen[0]?.text, candidate: 0, reward: 0.25 });
  });

  test("tells of rewards, and of answers where the caller says where they are", async () => {
    const evidenceOf = async (options: MethodOptions) =>
      (await run({ ...guided, ...options })).evidence;
    expect(await evidenceOf({ reward: dense })).toEqual({ answers: false, rewards: true });
    const extract = (text: string) => text.at(-1) ?? null;
    expect(await evidenceOf({ reward: dense, extract })).toEqual({ answers: true, rewards: true });
    const votes = { answers: true, rewards: false };
    expect(await evidenceOf({ reward: selfConsistency() })).toEqual(votes);
  });

  test("under a vote reports what its text earned in its pool", async () => {
    const vote = selfConsistency({ extract: (text) => text.at(-1) ?? null });
    const { reward, best, steps } = await run({ ...guided, reward: vote });
    expect([0, 1]).toContain(reward);
    const rewards = steps.flatMap((s) => s.candidates.flatMap((c) => c.completions));
    if (name !== "mh") expect(best?.reward).toBe(Math.max(...rewards.map((c) => c.reward)));
  });
});

const STEPWISE = REWARDED.filter(([name]) => ["ets", "particle", "ets-is"].includes(name));

test.each(STEPWISE)(
  '%s by finish: "best" ends with the text that the last step has elected',
  async (_, run) => {
    const vote = selfConsistency({ extract: (text) => text.at(-1) ?? null, singleton: 1 });
    for (let seed = 0; seed < 5; seed++) {
      const result = await run({ ...guided, reward: vote, finish: "best", seed });
      const elected = result.steps.map(({ candidates }) =>
        candidates.flatMap((c) => c.completions).find(({ reward }) => reward === 1),
      );
      expect(elected).toHaveLength(2);
      expect(result.best).toMatchObject({ step: 1, text: elected[1]?.text });
      expect(result.text).toBe(elected[1]?.text);
    }
  },
);

test.each(STEPWISE)(
  "%s that a budget cuts short ends with the best, picked by its reward",
  async (_, run) => {
    const result = await run({ ...guided, reward: dense, budget: { tokens: 20 } });
    expect(result).toMatchObject({ stopReason: "budget", law: "none", divergence: null });
    expect(result).toMatchObject({ text: result.best?.text, reward: result.best?.reward });
  },
);

test("a step that a budget cuts off is a small pool, and elects no text under a vote", async () => {
  const reward = selfConsistency({ extract: (text) => text.at(-1) ?? null, singleton: 1 });
  const adaptive = { round: 2, confidence: 0.9999 }; // so that a budget may leave two of four
  const options = { ...guided, maxTokens: 6, reward, adaptive };
  const { steps } = await ets(model, PROMPT, options);
  const { generated } = steps[0] as Result["steps"][number];
  for (let more = 1; more <= 16; more++) {
    const budget = { tokens: generated + more };
    const { best, steps } = await ets(model, PROMPT, { ...options, budget });
    expect(best?.step).toBe(steps.length - 1);
  }
});

test("texts that the reference can't write are not the best", async () => {
  // The proposal draws from four digits, of which the reference has the two most probable.
  const { allowedTokens: _, ...open } = guided;
  const cut = { ...open, topK: 2, temperature: 1, candidates: 8, rollouts: 4 };
  const result = await ets(model, PROMPT, { ...cut, proposal, reward: ({ text }) => text.length });
  const all = result.steps.flatMap((s) => s.candidates.flatMap((c) => c.completions));
  const possible = all.filter(({ logRatio }) => Number.isFinite(logRatio));
  expect(possible.length).toBeLessThan(all.length);
  expect(result.best?.reward).toBe(Math.max(...possible.map(({ reward }) => reward)));
});

test.each<[string, Call]>([
  ["sample", (options) => sample(model, PROMPT, options)],
  ["greedy", ({ temperature: _, ...options }) => greedy(model, PROMPT, options)],
  ["beam", (options) => beam(model, PROMPT, { ...options, candidates: 3 })],
  ["power", (options) => power(model, PROMPT, { ...options, moves: 2 })],
])("%s sees no reward", async (name, run) => {
  const result = await run({ ...policy, finish: "best" });
  expect(result).toMatchObject({ reward: null, best: null, divergence: null });
  expect(result.evidence).toEqual({ answers: false, rewards: false });
  expect(result.law).toBe(name === "sample" || name === "power" ? "target" : "none");
});

test("majority's text earns its vote", async () => {
  const options = { ...policy, candidates: 5, extract: (text: string) => text[0] ?? null };
  const result = await majority(model, PROMPT, options);
  expect(result).toMatchObject({ reward: 1, law: "none", best: { text: result.text } });
});

test("treated importance weights make a law biased", async () => {
  const clipped = await ets(model, PROMPT, { ...guided, proposal, weights: "clip" });
  expect(clipped.law).toBe("biased");
});

describe("the divergence spent", () => {
  test("of a choice is 0 without preference, and log M where one has all the weight", () => {
    expect(divergenceOfChoice([0.25, 0.25, 0.25, 0.25])).toBeCloseTo(0, 12);
    expect(divergenceOfChoice([0, 1, 0, 0])).toBeCloseTo(Math.log(4), 12);
  });

  test("is none at λ → ∞, and grows as λ falls", async () => {
    for (const method of [ets, particle]) {
      const at = async (lambda: number) => {
        const { divergence } = await method(model, PROMPT, { ...guided, lambda, reward: dense });
        return divergence as number;
      };
      expect(await at(1e9)).toBeCloseTo(0, 6);
      expect(await at(0.5)).toBeGreaterThan(0);
      expect(await at(0.02)).toBeGreaterThan(await at(0.5));
    }
  });

  test("of particles comes near KL(p* || p_ref)", async () => {
    const { temperature, allowedTokens } = policy;
    const texts = digits.flatMap((a) => digits.map((b) => [a, b]));
    const scores = await model.score(PROMPT, texts, { temperature, allowedTokens }, { raw: true });
    const rows = scores.map(({ logProbs }, i) => {
      const p = Math.exp(logProbs.reduce((a, b) => a + b, 0));
      const reward = dense({ text: model.detokenize(Int32Array.from(texts[i] as number[])) });
      return { p, weight: p * Math.exp(reward / 0.3) };
    });
    const total = rows.reduce((sum, { weight }) => sum + weight, 0);
    const exact = rows.reduce(
      (sum, { p, weight }) => sum + (weight / total) * Math.log(weight / total / p),
      0,
    );
    const options = { ...policy, maxTokens: 2, blockTokens: 1, candidates: 120, lambda: 0.3 };
    const values = await Promise.all(
      [0, 1, 2, 3].map(
        async (seed) =>
          (await particle(model, PROMPT, { ...options, reward: dense, seed })).divergence as number,
      ),
    );
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    expect(mean).toBeGreaterThan(0.6 * exact);
    expect(mean).toBeLessThan(1.5 * exact);
  });

  test("of best-of-n is bounded by log N - (N - 1) / N, and 0 where all texts earn the same", async () => {
    const { blockTokens: _, ...options } = guided;
    const best = await bestOfN(model, PROMPT, { ...options, candidates: 8, reward: dense });
    expect(best.divergence).toBeLessThanOrEqual(Math.log(8) - 7 / 8 + 1e-12);
    const same = await bestOfN(model, PROMPT, { ...options, candidates: 8, reward: () => 1 });
    expect(same.divergence).toBeCloseTo(0, 12);
  });
});
