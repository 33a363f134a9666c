/** Confidence, entropy and self-certainty: the more certain text earns more. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bestOfN } from "../../src/methods/best-of-n.js";
import { ets } from "../../src/methods/ets.js";
import type { MethodOptions } from "../../src/methods/registry.js";
import {
  type CertaintyOptions,
  confidence,
  entropy,
  selfCertainty,
} from "../../src/rewards/certainty.js";
import type { Completion, Reward } from "../../src/rewards/reward.js";
import { completion, scoreOf } from "../fixtures/completions.js";
import { QUESTION, useModel } from "../fixtures/models.js";
import { endlessTokens } from "../fixtures/precise-model.js";
import { PLAIN } from "../fixtures/sampling.js";

/** Each reward, the values it reads, and whether larger ones are the more certain. */
const REWARDS = [
  ["confidence", confidence, "logProbs", 1],
  ["entropy", entropy, "entropies", -1],
  ["self-certainty", selfCertainty, "selfCertainties", 1],
] as const;
type Metric = (typeof REWARDS)[number][2];
type Make = (options?: CertaintyOptions) => Reward;

const mean = (values: readonly number[] = []) => values.reduce((a, b) => a + b, 0) / values.length;

describe.each(REWARDS)("%s", (name, make: Make, metric: Metric, sign) => {
  const withValues = (values: number[]) => completion("", { [metric]: values });
  const values = fc.array(fc.double({ min: 0, max: 30, noNaN: true }), { minLength: 1 });
  const own = (list: number[]) => list.map((value) => (metric === "logProbs" ? -value : value));

  test("earns more the more certain the mean over tokens is, between 0 and 1", async () => {
    await fc.assert(
      fc.asyncProperty(values, values, async (a, b) => {
        const pool = [own(a), own(b)].map(withValues);
        const [first = 0, second = 0] = await scoreOf(make(), pool);
        for (const score of [first, second]) {
          expect(score).toBeGreaterThanOrEqual(0);
          expect(score).toBeLessThanOrEqual(1);
        }
        const difference = sign * (mean(own(a)) - mean(own(b)));
        if (difference > 0.01) expect(first).toBeGreaterThanOrEqual(second);
        if (
          difference > 0.01 &&
          Math.max(first, second) > 1e-9 &&
          Math.min(first, second) < 0.999
        ) {
          expect(first).toBeGreaterThan(second);
        }
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  test("moves faster with a higher rate, and refuses one that is none", async () => {
    const pool = [withValues(own([1])), withValues(own([2]))];
    const ratio = async (rate: number) => {
      const [a = 0, b = 0] = await scoreOf(make({ rate }), pool);
      return Math.log(
        (name === "self-certainty" ? 1 - a : a) / (name === "self-certainty" ? 1 - b : b),
      );
    };
    expect(await ratio(3)).toBeCloseTo(3 * (await ratio(1)));
    for (const options of [{ rate: 0 }, { rate: Number.NaN }, { a: 1 }] as CertaintyOptions[]) {
      expect(() => make(options)).toThrowError(
        expect.objectContaining({ code: "ERR_INVALID_OPTION" }),
      );
    }
  });

  test("a text of which nothing is known earns nothing", async () => {
    const unknown = {
      logProbs: [-0.1, -Infinity],
      entropies: [1, Infinity],
      selfCertainties: [0, 0],
    };
    expect(await scoreOf(make(), [withValues(unknown[metric])])).toEqual([0]);
  });
});

describe("in a run", () => {
  const model = useModel();
  const proposal = useModel("mini-gsm-proposal");
  const base: MethodOptions = { temperature: 1.3, maxTokens: 60, seed: 3 };
  const completionsOf = (steps: { candidates: { completions: Completion[] }[] }[]) =>
    steps.flatMap(({ candidates }) => candidates.flatMap(({ completions }) => completions));

  test.each(REWARDS)(
    "%s picks the most certain of n texts",
    async (name, make: Make, metric: Metric, sign) => {
      const result = await bestOfN(model(), QUESTION, { ...base, candidates: 12, reward: make() });
      const texts = completionsOf(result.steps);
      const certainties = texts.map((text) => sign * mean(text[metric]));
      const chosen = texts.findIndex(({ text }) => text === result.text);
      expect(certainties[chosen]).toBeCloseTo(Math.max(...certainties), 10);
      expect(Math.max(...certainties)).toBeGreaterThan(Math.min(...certainties) + 0.01);
      expect(texts.every((text) => text[metric]?.length === text.tokens.length)).toBe(true);
      expect(
        texts.every((text) => (text.entropies !== undefined) === (metric === "entropies")),
      ).toBe(true);
      expect(result.settings.reward).toBe(name);
    },
  );

  test.each([
    ["by the model itself", () => ({})],
    ["by a proposal", () => ({ proposal: proposal(), proposalSampling: { temperature: 1.6 } })],
    ["by both", () => ({ proposal: proposal(), mixture: 0.5, rollouts: 2 })],
  ])("rollouts drawn %s have the reference's values of their tokens", async (_, more) => {
    const metrics = [entropy(), selfCertainty()].flatMap((reward) => reward.metrics ?? []);
    const indifferent: Reward = { name: "same", score: ({ pool }) => pool.map(() => 0), metrics };
    const allowedTokens = endlessTokens(model());
    const options = { ...base, candidates: 6, steps: 3, allowedTokens, reward: indifferent };
    const { steps, settings } = await ets(model(), QUESTION, {
      ...options,
      ...more(),
      shortcuts: { duplicates: false },
    });
    const rollouts = completionsOf(steps).filter(({ rollout }) => rollout !== null);
    // No text ends before its last token: all but the last step's candidates are rolled out.
    expect(rollouts).toHaveLength(2 * 6 * settings.rollouts);
    const context = await model().lease({ cells: 2048, sequences: 8, flashAttention: false });
    const parent = await context.create();
    await parent.prefill((await model().encodePrompt(QUESTION)).tokens);
    const sampling = { ...PLAIN, allowedTokens, temperature: 1.3 };
    const scores = await context.score(
      rollouts.map(({ tokens }) => ({ parent, tokens: Int32Array.from(tokens) })),
      sampling,
      metrics,
    );
    for (const [i, { logProbs, entropies, selfCertainties }] of rollouts.entries()) {
      expect(mean(logProbs)).toBeCloseTo(mean([...(scores[i]?.logProbs ?? [])]), 2);
      expect(mean(entropies)).toBeCloseTo(mean([...(scores[i]?.entropies ?? [])]), 2);
      expect(mean(selfCertainties)).toBeCloseTo(mean([...(scores[i]?.selfCertainties ?? [])]), 1);
    }
    await model().release(context);
  });

  test("a budget that ends leaves a result, whatever was measured", async () => {
    for (const tokens of [40, 120, 200]) {
      const options = {
        ...base,
        candidates: 12,
        rollouts: 2,
        steps: 3,
        proposal: proposal(),
        budget: { tokens },
      };
      const result = await ets(model(), QUESTION, { ...options, reward: entropy() });
      expect(result.stopReason).toBe("budget");
    }
  });
});
