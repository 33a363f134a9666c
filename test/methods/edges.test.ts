/**
 * Runs whose numbers are at the edge of what a double holds, and callbacks that change what they are
 * given: on tables, so that nothing hangs on how a model rounds.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bestOfN } from "../../src/methods/best-of-n.js";
import { ets } from "../../src/methods/ets.js";
import { mh } from "../../src/methods/mh.js";
import { particle } from "../../src/methods/particle.js";
import type { MethodOptions } from "../../src/methods/registry.js";
import type { Result } from "../../src/methods/result.js";
import type { Completion, RewardInput } from "../../src/rewards/reward.js";
import { exactly, exponential, isNear, over, sumOf } from "../fixtures/exact-arithmetic.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable, type Table } from "../fixtures/table-engine/tables.js";

const table = hashedTable(3);
const model = new TableModel(table);
const digits = ["1", "5", "7"].map((digit) => model.tokenize(digit)[0] as number);
const options = {
  raw: true,
  temperature: 6,
  allowedTokens: digits,
  maxTokens: 3,
  blockTokens: 1,
  candidates: 6,
  extract: (text: string) => text,
} satisfies MethodOptions;
const firstOf = ({ text }: { text: string }) => text[0];
const seeds = (count: number) => Array.from({ length: count }, (_, seed) => seed);

/** Every number of a result that choices and reports rest on. */
function numbersOf({ steps, logNormaliser = 0, divergence }: Result): number[] {
  return [
    ...[logNormaliser, divergence ?? 0],
    ...steps.flatMap(({ weights, ess, logNormaliser = 0 }) => [...weights, ess, logNormaliser]),
  ];
}

describe.each([
  ["ets", ets, { rollouts: 2 }],
  ["ets, resampled", ets, { rollouts: 2, finish: "resample" as const }],
  ["particle", particle, { rollouts: 1 }],
  ["particle of many", particle, { rollouts: 2, candidates: 12 }],
  ["mh", mh, { moves: 30, candidates: 1 }],
])("%s", (_, method, own) => {
  const run = (seed: number, reward: (c: Completion) => number, lambda: number) => {
    const { blockTokens: _, ...whole } = options;
    const given = method === mh ? whole : options;
    return method(model, "q", { ...given, ...own, reward, lambda, seed });
  };

  test.each([
    ["-1e308 at λ = .1", -1e308, 0.1],
    ["-1e308 beside 1e308", -1e308, 1],
    ["-1e300 at λ = 1e-100", -1e300, 1e-100],
    ["the least number", -Number.MAX_VALUE, 1e-100],
  ])("never returns a text of %s while there are others", async (_, veto, lambda) => {
    for (const seed of seeds(12)) {
      const best = veto === -1e308 && lambda === 1 ? 1e308 : 0;
      const result = await run(seed, (c) => (firstOf(c) === "1" ? veto : best), lambda);
      expect(numbersOf(result).every(Number.isFinite)).toBe(true);
      const seen = result.steps.flatMap(({ candidates }) => candidates.map(firstOf));
      if (seen.some((first) => first !== "1")) expect(firstOf(result)).not.toBe("1");
    }
  });

  test("prefers the larger of rewards beyond 1e308 · λ", async () => {
    const reward = (c: Completion) => (firstOf(c) === "5" ? 1e308 : 0.9e308);
    for (const seed of seeds(8)) {
      const result = await run(seed, reward, 0.1);
      const seen = result.steps.flatMap(({ candidates }) => candidates.map(firstOf));
      if (seen.includes("5")) expect(firstOf(result)).toBe("5");
      expect(numbersOf(result).every(Number.isFinite)).toBe(true);
    }
  });
});

describe("equal rewards of a size that swallows logs of counts", () => {
  test.each([1e-15, 1e-16, 1e-100])("weigh the same at λ = %d", async (lambda) => {
    for (const seed of seeds(10)) {
      const result = await ets(model, "q", {
        ...options,
        rollouts: 3,
        lambda,
        seed,
        reward: () => -1,
      });
      for (const { weights, ess } of result.steps) {
        for (const weight of weights) expect(weight).toBeCloseTo(1 / weights.length, 12);
        expect(ess).toBeCloseTo(weights.length, 9);
      }
    }
  });

  test("leave particles unweighted, and the log of Ẑ what it is", async () => {
    const { steps, logNormaliser } = await particle(model, "q", {
      ...options,
      rollouts: 3,
      lambda: 1e-16,
      reward: () => 1,
    });
    expect(logNormaliser).toBe(1e16);
    for (const { ess } of steps) expect(ess).toBeCloseTo(6, 9);
  });
});

test("weights are Σ exp(r / λ) / K of the completions, exactly, for any rewards and λ", async () => {
  const size = fc.constantFrom(0, 1, 1e-5, 1e13, 1e200, 1e308);
  const rewards = fc.array(fc.tuple(fc.double({ min: -1, max: 1, noNaN: true }), size), {
    minLength: 3,
    maxLength: 3,
  });
  const lambdas = fc.integer({ min: -100, max: 100 }).map((exponent) => 10 ** exponent);
  await fc.assert(
    fc.asyncProperty(rewards, lambdas, fc.nat(1000), async (values, lambda, seed) => {
      const reward = ({ tokens }: Completion) => {
        const [share, scale] = values[digits.indexOf(tokens.at(-1) as number)] as [number, number];
        return share * scale;
      };
      const { steps } = await ets(model, "q", { ...options, rollouts: 3, lambda, seed, reward });
      for (const { candidates, weights } of steps) {
        const keyOf = ({ tokens }: { tokens: readonly number[] }) => tokens.join();
        const shown = candidates.map((candidate) => {
          const first = candidates.find((other) => keyOf(other) === keyOf(candidate));
          return first?.completions.map((completion) => completion.reward) ?? [];
        });
        const peak = exactly(Math.max(...shown.flat()));
        const terms = shown.map((own) => {
          const sum = sumOf(own.map((r) => exponential(over(exactly(r) - peak, exactly(lambda)))));
          return sum / BigInt(own.length);
        });
        const total = sumOf(terms);
        for (const [m, term] of terms.entries()) {
          expect(isNear(weights[m] as number, over(term, total), 1e-12)).toBe(true);
        }
      }
    }),
    { seed: 1, numRuns: 30 },
  );
});

describe("rollouts that a truncated reference can't draw", () => {
  /** It draws most what the reference draws least. */
  const opposite: Table = (context, position) => table(context, position).map((logit) => -logit);
  const run = (proposal: Table, own: MethodOptions) =>
    ets(model, "q", {
      ...options,
      topK: 2,
      rollouts: 2,
      candidates: 4,
      proposal: new TableModel(proposal),
      reward: (c: Completion) => c.tokens[1] as number,
      ...own,
    });

  test.each(["exact", "psis", "clip"] as const)(
    "are never returned, whatever the weights: %s",
    async (weights) => {
      for (const finish of ["chain", "resample"] as const) {
        for (const seed of seeds(20)) {
          const { logProbs } = await run(table, { weights, finish, seed });
          expect(logProbs.every(Number.isFinite)).toBe(true);
        }
      }
    },
  );

  test.each(["chain", "resample"] as const)(
    "leave the reference its own draw where there are no others, with a warning: %s",
    async (finish) => {
      let unweighted = 0;
      for (const weights of ["exact", "clip"] as const) {
        for (const seed of seeds(20)) {
          const own = { weights, finish, seed, proposalSampling: { temperature: 0.1 } };
          const heard: string[] = [];
          const onWarning = (message: string) => heard.push(message);
          const result = await run(opposite, { ...own, onWarning });
          expect(result.logProbs.every(Number.isFinite)).toBe(true);
          expect(result.tokens.length).toBe(3);
          expect(heard).toEqual(result.warnings);
          const isSilent = ({ candidates }: Result["steps"][number]) =>
            candidates.every(({ completions }) =>
              completions.every(({ logRatio }) => logRatio === Number.NEGATIVE_INFINITY),
            );
          for (const step of result.steps.filter(isSilent)) {
            unweighted++;
            expect(step.weights.every((weight) => weight === 1 / 4)).toBe(true);
            expect(result.warnings).toContainEqual(
              expect.stringMatching(new RegExp(`Step ${step.step} has no weight`)),
            );
          }
        }
      }
      expect(unweighted).toBeGreaterThan(20);
    },
  );

  test("are not what a budget leaves", async () => {
    for (const seed of seeds(30)) {
      const { logProbs } = await run(opposite, { seed, budget: { tokens: 14 } });
      expect(logProbs.every(Number.isFinite)).toBe(true);
    }
  });

  test("have no votes", async () => {
    const { steps } = await run(opposite, { proposalSampling: { temperature: 0.1 } });
    const impossible = steps
      .flatMap(({ candidates }) => candidates.flatMap(({ completions }) => completions))
      .filter(({ logRatio }) => logRatio === Number.NEGATIVE_INFINITY);
    expect(impossible.length).toBeGreaterThan(0);
    for (const { votes } of impossible) expect(votes).toBe(0);
  });
});

describe("what a callback is given", () => {
  const dense = ({ tokens }: Completion) => (tokens[0] as number) + (tokens[1] as number) / 10;
  const plain = ({ tokens, logProbs, steps, plan }: Result) => ({
    tokens,
    logProbs,
    plan: { ...plan, freeBytes: 0 },
    steps: steps.map((step) => ({ ...step, ms: 0 })),
  });
  const run = (method: typeof ets | typeof bestOfN, own: MethodOptions) => {
    const { blockTokens: _, ...whole } = options;
    const given = method === bestOfN ? whole : options;
    return method(model, "q", { ...given, reward: dense, ...own });
  };
  const vandals: [string, (c: Completion, input: RewardInput) => unknown][] = [
    ["sorts the pool", (_, { pool }) => (pool as Completion[]).sort(() => -1)],
    ["empties the pool", (_, { pool }) => (pool as Completion[]).splice(0)],
    ["puts another pool in its place", (_, input) => Object.assign(input, { pool: [] })],
    ["changes a text's tokens", ({ tokens }) => (tokens as number[]).pop()],
    ["changes its log-probabilities", ({ logProbs }) => (logProbs as number[]).fill(Number.NaN)],
    ["changes whose it is", (c) => Object.assign(c, { candidate: 0 })],
    ["changes the texts before", (_, { earlier }) => (earlier as Completion[]).push(...earlier)],
  ];

  test.each(vandals)("a reward that %s fails with ERR_REWARD", async (_, change) => {
    for (const method of [ets, bestOfN]) {
      const reward = (c: Completion, input: RewardInput) => {
        change(c, input);
        return dense(c);
      };
      await expect(run(method, { reward })).rejects.toMatchObject({ code: "ERR_REWARD" });
    }
  });

  test.each<[string, (pool: readonly Completion[]) => unknown]>([
    ["sort the pool", (pool) => (pool as Completion[]).sort(() => -1)],
    ["change a text's tokens", (pool) => ((pool[0] as Completion).tokens as number[]).pop()],
    ["throw", () => Object.assign(null as unknown as object, {})],
    ["are too few", () => [1]],
    ["are no numbers", (pool) => pool.map(() => Number.NaN)],
    ["were never set", (pool) => new Array(pool.length)],
    ["are infinite", (pool) => pool.map(() => Number.POSITIVE_INFINITY)],
    ["are below 0", (pool) => pool.map((_, i) => -i)],
    ["are no list", () => 5],
  ])("votes of a reward that %s fail with ERR_REWARD", async (_, ballots) => {
    const votes = ballots as (pool: readonly Completion[]) => readonly number[];
    const score = ({ pool }: RewardInput) => pool.map(dense);
    const reward = { name: "voting", votes: true, score, ballots: votes };
    for (const method of [ets, bestOfN]) {
      await expect(run(method, { reward })).rejects.toMatchObject({ code: "ERR_REWARD" });
    }
  });

  test("a reward that can't say whether a text is decided fails with ERR_REWARD", async () => {
    const isDecided = () => Object.assign(null as unknown as object, {}) as unknown as boolean;
    const score = ({ pool }: RewardInput) => pool.map(dense);
    const reward = { name: "undecided", score, isDecided };
    await expect(run(ets, { reward })).rejects.toMatchObject({
      code: "ERR_REWARD",
      message: expect.stringContaining("`undecided` failed at step 0"),
    });
  });

  test("a reward's own array is its own: changed later, it changes nothing", async () => {
    const scores: number[] = [];
    const reward = {
      name: "kept",
      score: ({ pool }: RewardInput) => {
        scores.splice(0, scores.length, ...pool.map(dense));
        return scores;
      },
    };
    expect(plain(await run(ets, { reward }))).toEqual(plain(await run(ets, {})));
  });

  test("steps and plans are copies: a caller may do with them what it likes", async () => {
    const untouched = plain(await run(ets, {}));
    const ruined = await run(ets, {
      onStep: (step) => {
        for (const candidate of step.candidates) {
          (candidate.tokens as number[]).length = 0;
          for (const completion of candidate.completions) completion.reward = Number.NaN;
        }
        step.candidates.length = 0;
        step.weights.fill(0);
      },
      onPlan: (plan) => {
        plan.model.cells = 0;
        plan.maxTokens = 1;
      },
    });
    expect(plain(ruined)).toEqual(untouched);
  });

  test("an extractor that returns no text, or throws, is refused by name", async () => {
    const extract = (() => 5) as unknown as (text: string) => string;
    await expect(run(ets, { extract })).rejects.toMatchObject({
      code: "ERR_INVALID_OPTION",
      message: expect.stringContaining("`extract` returns"),
    });
    const cause = new Error("no answer here");
    const throwing = () => {
      throw cause;
    };
    await expect(run(ets, { extract: throwing })).rejects.toMatchObject({
      code: "ERR_INVALID_OPTION",
      cause,
      message: expect.stringContaining("`extract` failed: no answer here"),
    });
  });
});
