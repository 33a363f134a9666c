/**
 * Rollouts end with their answers, and nothing else changes: neither the texts of the runs nor the
 * law of the energies.
 */
import { describe, expect, test } from "vitest";
import { type AnswerEnd, answeredPart } from "../../src/chain/answer-end.js";
import { ets } from "../../src/methods/ets.js";
import type { MethodOptions } from "../../src/methods/registry.js";
import { confidence } from "../../src/rewards/certainty.js";
import { combine } from "../../src/rewards/combine.js";
import type { Reward } from "../../src/rewards/reward.js";
import { selfConsistency } from "../../src/rewards/self-consistency.js";
import { QUESTION, useModel } from "../fixtures/models.js";
import { usePreciseModel } from "../fixtures/precise-model.js";

const model = useModel();
const proposal = useModel("mini-gsm-proposal");
const precise = usePreciseModel();

/** The first equation's result; the answer to the question comes later. */
const answerEnd: AnswerEnd = { mark: "=", end: "\n" };
const extract = (text: string) => /=\s*(\d+)/.exec(text)?.[1] ?? null;
const vote = selfConsistency({ extract, answerEnd });

/** A policy of few tokens, so that texts give answers, and none that ends a text. */
const symbols = () =>
  ["=", "\n", "1", "2", "+"].map((symbol) => precise().tokenize(symbol)[0] as number);
const run = (seed: number, answered: boolean, options: MethodOptions) =>
  ets(precise(), QUESTION, {
    reward: vote,
    temperature: 3,
    maxTokens: 48,
    candidates: 4,
    rollouts: 2,
    seed,
    allowedTokens: symbols(),
    ...options,
    shortcuts: { answered },
  });

describe("rollouts that end with their answers", () => {
  test.each<[string, MethodOptions]>([
    ["to the last step", { blockTokens: 8 }],
    ["by a rollout of the last step but one", { maxTokens: 20, steps: 2, finish: "resample" }],
  ])("leave the texts of a run that ends %s as they are, for fewer tokens", async (_, options) => {
    const tokens = { on: 0, off: 0 };
    for (const seed of [1, 2, 3, 4]) {
      const [on, off] = [await run(seed, true, options), await run(seed, false, options)];
      tokens.on += on.usage.generated;
      tokens.off += off.usage.generated;
      expect(on.text).toBe(off.text);
      expect(on.stopReason).not.toBe("answered");
      expect(on.usage.prefilled).toBeLessThanOrEqual(on.plan.model.tokens.prefilled);
      const completions = on.steps.flatMap(({ candidates }) =>
        candidates.flatMap((candidate) => candidate.completions),
      );
      const cut = completions.filter(({ finishReason }) => finishReason === "answered");
      expect(cut.length).toBeGreaterThan(0);
      for (const { text } of cut) expect(answeredPart(text, answerEnd)).toContain("\n");
    }
    expect(tokens.on).toBeLessThan(0.9 * tokens.off);
  });

  test("have the votes of whole ones", async () => {
    const options = { maxTokens: 20, steps: 2, finish: "resample" } as const;
    const [on, off] = [await run(3, true, options), await run(3, false, options)];
    const rewards = ({ steps: [step] }: typeof on) =>
      step?.candidates.map(({ completions }) => completions.map(({ reward }) => reward));
    expect(rewards(on)).toEqual(rewards(off));
  });

  test("are whole where another reward looks at all of the text", async () => {
    const reward = combine([{ reward: vote }, { reward: confidence() }]);
    const result = await run(1, true, { reward, blockTokens: 16 });
    expect(result.settings.answerEnd).toBeNull();
    const ends = result.steps.flatMap(({ candidates }) =>
      candidates.flatMap((c) => c.completions.map(({ finishReason }) => finishReason)),
    );
    expect(ends).not.toContain("answered");
  });

  test.each([{ mark: "", end: "\n" }, { mark: "#" }, "#"])("refuse the rule %j", (rule) => {
    const options = { answerEnd: rule as AnswerEnd };
    expect(() => selfConsistency(options)).toThrow(/answerEnd/);
  });
});

describe("the energies of ETS-IS", () => {
  const PROMPT = "Noah has 4";
  const LAMBDA = 0.5;
  const RULE: AnswerEnd = { mark: "5", end: "7" };
  const REWARDS: Record<string, number> = { "57": 0.3, "557": 0, "555": 1 };
  const rewardOf = (text: string) => REWARDS[answeredPart(text, RULE) ?? text] ?? 0;
  const reward: Reward = {
    name: "first digits",
    answerEnd: RULE,
    score: ({ pool }) => pool.map(({ text }) => rewardOf(text)),
  };

  /** Two-sided z-test; false alarm 1e-4, at these fixed seeds. */
  test("are unbiased where a cut rollout's ratio covers what was drawn of it", async () => {
    const [five, seven] = ["5", "7"].map((digit) => model().tokenize(digit)[0] as number);
    const digits = [five as number, seven as number];
    const policy = { temperature: 3, allowedTokens: digits };
    const rests = digits.flatMap((b) => digits.map((c) => [five as number, b, c]));
    const energyUnder = async (of: typeof model, temperature: number) => {
      const sampling = { ...policy, temperature };
      const scores = await of().score(PROMPT, rests, sampling, { raw: true });
      return rests.reduce((sum, tokens, i) => {
        const rest = (scores[i]?.logProbs[1] as number) + (scores[i]?.logProbs[2] as number);
        const text = tokens.map((token) => (token === five ? "5" : "7")).join("");
        return sum + Math.exp(rest + rewardOf(text) / LAMBDA);
      }, 0);
    };
    const estimates: number[] = [];
    const ends = new Set<unknown>();
    for (let seed = 0; seed < 16; seed++) {
      const result = await ets(model(), PROMPT, {
        ...policy,
        raw: true,
        maxTokens: 3,
        blockTokens: 1,
        candidates: 120,
        rollouts: 1,
        reward,
        lambda: LAMBDA,
        seed,
        proposal: proposal(),
        proposalSampling: { temperature: 6 },
        shortcuts: { duplicates: false },
      });
      const [step] = result.steps;
      for (const [m, { tokens, completions }] of (step?.candidates ?? []).entries()) {
        if (tokens[0] !== five) continue;
        estimates.push(Math.exp(step?.logEnergies[m] as number));
        for (const { finishReason } of completions) ends.add(finishReason);
      }
    }
    expect(ends).toEqual(new Set(["answered", "length"]));
    const mean = estimates.reduce((a, b) => a + b, 0) / estimates.length;
    const variance = estimates.reduce((s, x) => s + (x - mean) ** 2, 0) / (estimates.length - 1);
    const z = (energy: number) => Math.abs(mean - energy) / Math.sqrt(variance / estimates.length);
    expect(z(await energyUnder(model, 3))).toBeLessThan(3.9);
    // The twin: the energy of rollouts without ratios is refused, some 20 errors away.
    expect(z(await energyUnder(proposal, 6))).toBeGreaterThan(3.9);
  });
});
