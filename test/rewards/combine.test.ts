import fc from "fast-check";
import { expect, test } from "vitest";
import { confidence } from "../../src/rewards/certainty.js";
import { combine } from "../../src/rewards/combine.js";
import type { Reward } from "../../src/rewards/reward.js";
import { selfConsistency } from "../../src/rewards/self-consistency.js";
import { completion, scoreOf } from "../fixtures/completions.js";

const constant = (name: string, scores: number[], rest: Partial<Reward> = {}): Reward => ({
  name,
  score: () => scores,
  ...rest,
});

test("is the weighted sum", async () => {
  const finite = fc.double({ min: -1e6, max: 1e6, noNaN: true });
  const part = fc.record({ scores: fc.tuple(finite, finite), weight: finite });
  await fc.assert(
    fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 4 }), async (parts) => {
      const sum = combine(
        parts.map(({ scores, weight }, i) => ({ reward: constant(`r${i}`, scores), weight })),
      );
      const expected = [0, 1].map((i) =>
        parts.reduce((total, { scores, weight }) => total + weight * (scores[i] as number), 0),
      );
      expect(await scoreOf(sum, ["a", "b"])).toEqual(expected);
    }),
    { numRuns: 100, seed: 1 },
  );
});

test("refuses parts that were never set", () => {
  expect(() => combine(new Array(3))).toThrow(/given rewards/);
});

test("is named after its parts", () => {
  const reward = combine([
    { reward: selfConsistency() },
    { reward: confidence(), weight: 0.5 },
    { reward: () => 1, weight: -2 },
  ]);
  expect(reward.name).toBe("self-consistency+0.5*confidence+-2*reward");
});

test("asks for what any of its parts asks for", () => {
  const first = constant("a", [], { metrics: ["entropies"] });
  const second = constant("b", [], { metrics: ["selfCertainties", "entropies"] });
  const { metrics } = combine([{ reward: first }, { reward: second }, { reward: () => 0 }]);
  expect(metrics).toEqual(["entropies", "selfCertainties"]);
});

test("lets texts vote as its first part that votes does", () => {
  const pool = [completion("a", { logProbs: [-1] }), completion("b", { logProbs: [-2] })];
  const byProbability = selfConsistency({ votes: "probability" });
  const parts = [() => 1, byProbability, selfConsistency()];
  const ballotsOf = (rewards: typeof parts) =>
    combine(rewards.map((reward) => ({ reward }))).ballots?.(pool);
  expect(ballotsOf(parts)).toEqual(byProbability.ballots?.(pool));
  expect(ballotsOf(parts.toReversed())).toBeUndefined();
});

test("is decided and settled once all of its parts are", () => {
  const parts = [true, false].map((value) =>
    constant("x", [], { isDecided: () => value, isSettled: () => value }),
  ) as [Reward, Reward];
  const input = { prompt: "", pool: [], earlier: [] };
  const both = combine(parts.map((reward) => ({ reward })));
  expect([both.isDecided?.(""), both.isSettled?.(input, 0.9)]).toEqual([false, false]);
  const first = combine([{ reward: parts[0] }]);
  expect([first.isDecided?.(""), first.isSettled?.(input, 0.9)]).toEqual([true, true]);
  const unknown = combine([{ reward: parts[0] }, { reward: () => 1 }]);
  expect([unknown.isDecided, unknown.isSettled]).toEqual([undefined, undefined]);
});

test.each([
  ["a number that is none", [1, Number.NaN], /`bad` .* finite number, got `NaN` for rollout 3/],
  ["too few numbers", [1], /`bad` to return 2 numbers, got 1/],
])("names the part that returns %s", async (_, scores, says) => {
  const sum = combine([{ reward: constant("good", [0, 0]) }, { reward: constant("bad", scores) }]);
  const pool = [completion("a"), completion("b", { rollout: 3 })];
  await expect(scoreOf(sum, pool)).rejects.toThrowError(says);
});

test.each([
  ["nothing", []],
  ["a weight that is no number", [{ reward: () => 1, weight: Number.NaN }]],
])("refuses %s", (_, parts) => {
  expect(() => combine(parts)).toThrowError(
    expect.objectContaining({ code: "ERR_INVALID_OPTION" }),
  );
});

test("disposes its parts", async () => {
  const disposed: string[] = [];
  const owner = (name: string) =>
    constant(name, [], {
      [Symbol.asyncDispose]: async () => {
        disposed.push(name);
      },
    });
  await combine([{ reward: owner("a") }, { reward: () => 1 }, { reward: owner("b") }])[
    Symbol.asyncDispose
  ]?.();
  expect(disposed).toEqual(["a", "b"]);
});
