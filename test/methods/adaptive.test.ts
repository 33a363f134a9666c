/** Adaptive spending: rounds of the same draws, ended once the vote is settled. */
import { describe, expect, test } from "vitest";
import { ets } from "../../src/methods/ets.js";
import { majority } from "../../src/methods/majority.js";
import type { MethodOptions } from "../../src/methods/registry.js";
import type { Result } from "../../src/methods/result.js";
import type { Step } from "../../src/methods/step.js";
import { selfConsistency } from "../../src/rewards/self-consistency.js";
import { isLeaderCertain, leadProbability } from "../../src/rewards/settled-vote.js";
import { miniGsm } from "../../src/tasks/mini-gsm.js";
import { QUESTION } from "../fixtures/models.js";
import { endlessTokens, usePreciseModel } from "../fixtures/precise-model.js";

const model = usePreciseModel();
const small = usePreciseModel(3);
const base: MethodOptions = { maxTokens: 40, temperature: 3 };
type Extract = (text: string) => string | null;

/**
 * Answers by the order in which texts come up: which vote is contested doesn't hang on what the
 * model draws.
 */
function answersInOrder(answerOf: (n: number) => string): Extract {
  const order = new Map<string, string>();
  return (text) => {
    if (!order.has(text)) order.set(text, answerOf(order.size));
    return order.get(text) as string;
  };
}
const VOTES = {
  unanimous: () => answersInOrder(() => "7"),
  "contested at first": () => answersInOrder((n) => (n < 6 && n % 2 === 0 ? "8" : "7")),
  contested: () => answersInOrder((n) => String(n % 2)),
};

function textsOf({ candidates }: Step): string[] {
  return candidates.map(({ text }) => text);
}

/** Votes of the two first answers. */
function duel(texts: readonly string[], extract: Extract): [number, number] {
  const votes = new Map<string, number>();
  for (const text of texts) {
    const answer = extract(text);
    if (answer !== null) votes.set(answer, (votes.get(answer) ?? 0) + 1);
  }
  const [first = 0, second = 0] = [...votes.values()].toSorted((a, b) => b - a);
  return [first, second];
}

describe.each([
  ["ets", ets],
  ["majority", majority],
] as const)("adaptive %s", (_, method) => {
  test("ends at the first round whose vote is settled, not before", async () => {
    const seen: number[] = [];
    for (const makeExtract of Object.values(VOTES)) {
      const extract = makeExtract();
      const adaptive = { rule: "beta", round: 4 } as const;
      const options = { ...base, extract, adaptive, candidates: 16, steps: 1 };
      const { steps, answer } = await method(model(), QUESTION, options);
      const texts = textsOf(steps[0] as Step);
      expect(texts.length % 4).toBe(0);
      for (let drawn = 4; drawn < texts.length; drawn += 4) {
        expect(leadProbability(...duel(texts.slice(0, drawn), extract))).toBeLessThan(0.95);
      }
      if (texts.length < 16) {
        expect(leadProbability(...duel(texts, extract))).toBeGreaterThanOrEqual(0.95);
        const [leader] = duel(texts, extract);
        expect(texts.filter((text) => extract(text) === answer)).toHaveLength(leader);
      }
      expect(steps).toHaveLength(1);
      seen.push(texts.length);
    }
    expect(seen).toEqual([4, 12, 16]);
  });

  test("draws the texts that a plain run draws", async () => {
    const options = { ...base, seed: 3, steps: 1, candidates: 16 };
    const shortcuts = { duplicates: false };
    const plain = await method(model(), QUESTION, { ...options, shortcuts });
    const extract = VOTES["contested at first"]();
    const adaptive = await method(model(), QUESTION, {
      ...options,
      extract,
      adaptive: { rule: "beta", round: 3 },
    });
    const texts = textsOf(adaptive.steps[0] as Step);
    expect(texts).toHaveLength(12);
    expect(texts).toEqual(textsOf(plain.steps[0] as Step).slice(0, texts.length));
  });

  test("keeps what earlier rounds gave when the budget ends a later one", async () => {
    const contested = () => ({
      ...base,
      candidates: 16,
      steps: 1,
      extract: VOTES.contested(),
      adaptive: { round: 4 },
    });
    const { steps } = await method(model(), QUESTION, contested());
    const firstRounds = (steps[0] as Step).candidates.slice(0, 8);
    const tokens = firstRounds.reduce((sum, c) => sum + c.tokens.length, 0) + 10;
    const cut = await method(model(), QUESTION, { ...contested(), budget: { tokens } });
    expect(cut.stopReason).toBe("budget");
    expect(firstRounds.map(({ text }) => text)).toContain(cut.text);
  });
});

test("guides on where a step stays contested, and ends with the first settled one", async () => {
  const allowedTokens = endlessTokens(model());
  const run = (votes: keyof typeof VOTES) =>
    ets(model(), QUESTION, {
      ...base,
      extract: VOTES[votes](),
      allowedTokens,
      candidates: 8,
      blockTokens: 8,
      adaptive: { round: 8 },
    });
  expect((await run("contested")).steps).toHaveLength(40 / 8);
  const settled = await run("unanimous");
  expect(settled.steps).toHaveLength(1);
  expect(settled.tokens).toHaveLength(40);
});

test("majority ends at the first round whose texts all give one answer, by the unanimous rule", async () => {
  const seen: number[] = [];
  for (const makeExtract of Object.values(VOTES)) {
    const extract = makeExtract();
    const adaptive = { rule: "unanimous", round: 3 } as const;
    const options = { ...base, extract, adaptive, candidates: 15 };
    const { steps } = await majority(model(), QUESTION, options);
    const texts = textsOf(steps[0] as Step);
    const rounds = Array.from({ length: texts.length / 3 }, (_, i) => {
      const answers = new Set(texts.slice(3 * i, 3 * i + 3).map((text) => extract(text)));
      return answers.size === 1 && !answers.has(null);
    });
    expect(rounds.slice(0, -1)).not.toContain(true);
    if (texts.length < 15) expect(rounds.at(-1)).toBe(true);
    seen.push(texts.length);
  }
  expect(seen).toEqual([3, 9, 15]);
});

test("by the sequential rule majority ends at the first round that it is certain after", async () => {
  const seen: number[] = [];
  for (const makeExtract of Object.values(VOTES)) {
    const extract = makeExtract();
    const options = { ...base, extract, adaptive: { round: 3 }, candidates: 24 };
    const { steps } = await majority(model(), QUESTION, options);
    const answers = textsOf(steps[0] as Step).map((text) => extract(text));
    for (let drawn = 3; drawn < answers.length; drawn += 3) {
      expect(isLeaderCertain(answers.slice(0, drawn), 0.95)).toBe(false);
    }
    if (answers.length < 24) expect(isLeaderCertain(answers, 0.95)).toBe(true);
    seen.push(answers.length);
  }
  expect(seen).toEqual([9, 21, 24]);
});

test("ETS ends early once all rollouts of a step agree, by the unanimous rule", async () => {
  const allowedTokens = endlessTokens(model());
  const run = (votes: keyof typeof VOTES) =>
    ets(model(), QUESTION, {
      ...base,
      extract: VOTES[votes](),
      allowedTokens,
      candidates: 8,
      blockTokens: 8,
      adaptive: { rule: "unanimous" },
    });
  const early = await run("unanimous");
  expect(early.steps).toHaveLength(1);
  expect(early.tokens).toHaveLength(40);
  expect((await run("contested at first")).steps.length).toBeGreaterThan(1);
});

test("rolls out only the candidates that a round brings", async () => {
  const contested = () => ({ ...base, extract: VOTES.contested(), candidates: 8, steps: 2 });
  const inRounds = await ets(model(), QUESTION, { ...contested(), adaptive: { round: 2 } });
  const shortcuts = { duplicates: false };
  const atOnce = await ets(model(), QUESTION, { ...contested(), shortcuts });
  expect(inRounds.steps[0]?.candidates).toHaveLength(8);
  expect(inRounds.usage.generated).toBe(atOnce.usage.generated);
  expect(inRounds.steps[0]?.weights).toEqual(atOnce.steps[0]?.weights);
});

test("rolls out by a proposal in rounds as at once", async () => {
  const allowedTokens = endlessTokens(model());
  const contested = () => ({
    ...base,
    allowedTokens,
    candidates: 6,
    blockTokens: 8,
    proposal: small(),
    extract: VOTES.contested(),
  });
  const inRounds = await ets(model(), QUESTION, { ...contested(), adaptive: { round: 2 } });
  const shortcuts = { duplicates: false };
  const atOnce = await ets(model(), QUESTION, { ...contested(), shortcuts });
  expect(inRounds.text).toBe(atOnce.text);
  expect(inRounds.steps).toHaveLength(40 / 8);
  // A candidate that repeats an earlier round's is not read again.
  const readBy = ({ proposalUsage: usage }: Result) => usage && usage.prefilled + usage.cached;
  expect(readBy(inRounds)).toBeLessThanOrEqual(readBy(atOnce) as number);
});

test("a rollout that several candidates share is one draw, not a settled vote", () => {
  const { isSettled } = selfConsistency({ extract: miniGsm.extract });
  const completion = {
    text: "#### 7",
    tokens: [],
    logProbs: [],
    finishReason: "end" as const,
    candidate: 0,
    rollout: 0,
    votes: 8,
    samples: 8,
  };
  const pool = (rollout: number | null) => [{ ...completion, rollout }];
  expect(isSettled?.({ prompt: "", pool: pool(0), earlier: [] }, 0.95)).toBe(false);
  expect(isSettled?.({ prompt: "", pool: pool(null), earlier: [] }, 0.95)).toBe(true);
});

test("a reward that never settles draws all", async () => {
  const reward = () => 1;
  const run = await ets(model(), QUESTION, { ...base, adaptive: true, candidates: 8, reward });
  expect(run.steps[0]?.candidates).toHaveLength(8);
});

test("names a reward whose rule fails", async () => {
  const reward = {
    name: "broken",
    score: ({ pool }: { pool: readonly unknown[] }) => pool.map(() => 1),
    isSettled() {
      throw new Error("no rule");
    },
  };
  await expect(ets(model(), QUESTION, { ...base, adaptive: true, reward })).rejects.toMatchObject({
    code: "ERR_REWARD",
    message: expect.stringContaining("no rule"),
  });
});

test.each([
  [{ adaptive: { confidence: 0.4 } }, "adaptive.confidence"],
  [{ adaptive: { confidence: Number.NaN } }, "adaptive.confidence"],
  [{ adaptive: { round: 0 } }, "adaptive.round"],
  [{ adaptive: { rounds: 3 } }, "rounds"],
  [{ adaptive: { rule: "bayes" } }, "adaptive.rule"],
  [{ adaptive: 1 }, "adaptive"],
  [{ adaptive: { ess: 4 } }, "ess"],
])("refuses %j", async (options, name) => {
  await expect(
    ets(model(), QUESTION, { ...base, ...options } as MethodOptions),
  ).rejects.toMatchObject({
    code: "ERR_INVALID_OPTION",
    message: expect.stringContaining(name),
  });
});
