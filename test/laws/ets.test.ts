/**
 * The library samples from the law it says it does, on a policy small enough to be
 * enumerated: four allowed tokens, two of them long. The engine is a table, whose scores make up the
 * exact law; `npm run test:study` asks the same of models.
 *
 * False alarms: each χ² test fails a right library with probability 1e-6, at these fixed seeds.
 * Each has twins: laws of wrong samplers, which the same counts must refuse.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { normalise } from "../../src/energy/log-domain.js";
import { bestOfN } from "../../src/methods/best-of-n.js";
import { ets } from "../../src/methods/ets.js";
import type { Result } from "../../src/methods/result.js";
import { sample } from "../../src/methods/sample.js";
import type { Completion } from "../../src/rewards/reward.js";
import { chiSquarePValue } from "../fixtures/statistics.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable } from "../fixtures/table-engine/tables.js";

const FALSE_ALARM = 1e-6;
const M = 4;
const LAMBDA = 0.5;
const RUNS = 800;
const PROMPT = "Noah has 4";

const table = new TableModel(hashedTable(1));
const model = () => table;
let tokens: number[];
/** p(a) of the first token, and p(b | a) of the second. */
let first: number[];
let second: number[][];

const policy = () => ({ temperature: 5, allowedTokens: tokens });
const indexOf = (token: number | undefined) => tokens.indexOf(token as number);

/** A dense reward r(a, b) in which the second token matters differently after each first. */
const REWARDS = [
  [0.2, 1.2, 0.1, 0.9],
  [0.9, 0.1, 1.1, 0.4],
  [0, 0.3, 0, 0.1],
  [1.2, 0, 1, 0.8],
];
const reward = (a: number, b: number) => REWARDS[a]?.[b] as number;
const rewardOf = ({ tokens: [a, b] }: Completion) => reward(indexOf(a), indexOf(b));

beforeAll(async () => {
  tokens = ["0", "1", "5", "7"].map((digit) => model().tokenize(digit)[0] as number);
  const pairs = tokens.flatMap((a) => tokens.map((b) => [a, b]));
  const scores = await model().score(PROMPT, pairs, policy(), { raw: true });
  const at = (a: number, b: number, i: number) =>
    Math.exp(scores[a * 4 + b]?.logProbs[i] as number);
  first = tokens.map((_, a) => at(a, 0, 0));
  second = tokens.map((_, a) => tokens.map((_, b) => at(a, b, 1)));
});

/** The law of one choice among M candidates with random energies, by enumeration. */
function lawOfChoice(
  probabilities: readonly number[],
  /** The possible values of a candidate's estimate Ê, with their probabilities. */
  estimates: (candidate: number) => { energy: number; probability: number }[],
  shareDuplicates: boolean,
): number[] {
  const law = probabilities.map(() => 0);
  const visit = (drawn: { index: number; energy: number }[], probability: number) => {
    if (drawn.length === M) {
      const total = drawn.reduce((sum, d) => sum + d.energy, 0);
      for (const { index, energy } of drawn)
        law[index] = (law[index] ?? 0) + (probability * energy) / total;
      return;
    }
    for (const [index, p] of probabilities.entries()) {
      const twin = shareDuplicates && drawn.find((d) => d.index === index);
      if (twin) {
        visit([...drawn, twin], probability * p);
        continue;
      }
      for (const estimate of estimates(index)) {
        visit(
          [...drawn, { index, energy: estimate.energy }],
          probability * p * estimate.probability,
        );
      }
    }
  };
  visit([], 1);
  return law;
}

const boltzmann = (a: number, b: number) => Math.exp(reward(a, b) / LAMBDA);
/** Ê of a first token from one rollout, K = 1. */
const oneRollout = (a: number) =>
  (second[a] as number[]).map((probability, b) => ({ energy: boltzmann(a, b), probability }));
/** E, exactly. */
const energyOf = (a: number) =>
  oneRollout(a).reduce((sum, { energy, probability }) => sum + energy * probability, 0);

/** The same law as an integral, for estimates that are independent. */
function lawByIntegral(probabilities: readonly number[]): number[] {
  const laplace = (a: number, u: number, times: (energy: number) => number) =>
    oneRollout(a).reduce(
      (s, e) => s + e.probability * times(e.energy) * Math.exp(-u * e.energy),
      0,
    );
  const integrand = (a: number, u: number) =>
    M *
    (probabilities[a] as number) *
    laplace(a, u, (w) => w) *
    probabilities.reduce((s, p, b) => s + p * laplace(b, u, () => 1), 0) ** (M - 1);
  // Midpoints in t = u / (1 + u), which maps [0, ∞) to [0, 1).
  const points = 20_000;
  return probabilities.map((_, a) => {
    let sum = 0;
    for (let i = 0; i < points; i++) {
      const t = (i + 0.5) / points;
      sum += integrand(a, t / (1 - t)) / (1 - t) ** 2 / points;
    }
    return sum;
  });
}

async function runEts(
  options: { duplicates: boolean; lambda?: number },
  runs = RUNS,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let seed = 0; seed < runs; seed++) {
    results.push(
      await ets(model(), PROMPT, {
        ...policy(),
        raw: true,
        candidates: M,
        rollouts: 1,
        blockTokens: 1,
        maxTokens: 2,
        lambda: options.lambda ?? LAMBDA,
        reward: rewardOf,
        shortcuts: { duplicates: options.duplicates },
        seed,
      }),
    );
  }
  return results;
}

function countBy(results: Result[], cellOf: (result: Result) => number, cells: number): number[] {
  const counts = new Array<number>(cells).fill(0);
  for (const result of results) {
    const cell = cellOf(result);
    counts[cell] = (counts[cell] ?? 0) + 1;
  }
  return counts;
}

const firstChoice = (r: Result) => indexOf(r.steps[0]?.candidates[r.steps[0].chosen]?.tokens[0]);
const wholeText = ({ tokens: [a, b] }: Pick<Result, "tokens">) => indexOf(a) * 4 + indexOf(b);

describe("the exact law", () => {
  test("is the same by enumeration and by the integral of 1/S = ∫ exp(-uS) du", () => {
    const enumerated = lawOfChoice(first, oneRollout, false);
    const integrated = lawByIntegral(first);
    for (const [a, q] of enumerated.entries()) expect(q).toBeCloseTo(integrated[a] as number, 4);
    expect(enumerated.reduce((a, b) => a + b)).toBeCloseTo(1, 10);
  });

  test("satisfies Proposition 2: p*(a) ∝ p_ref(a) E(a) is the marginal of p_ref exp(r/λ)", () => {
    const byEnergy = first.map((p, a) => p * energyOf(a));
    const byMarginal = first.map((p, a) =>
      (second[a] as number[]).reduce((sum, q, b) => sum + p * q * boltzmann(a, b), 0),
    );
    for (const [a, x] of byEnergy.entries()) expect(x).toBeCloseTo(byMarginal[a] as number, 12);
  });
});

describe.each([
  ["candidates rolled out each", false],
  ["identical candidates rolled out once", true],
])("ETS with %s", (_, duplicates) => {
  let results: Result[];
  let q0: number[];
  beforeAll(async () => {
    results = await runEts({ duplicates });
    q0 = lawOfChoice(first, oneRollout, duplicates);
  }, 120_000);

  test("chooses its first step with the frequencies of the exact law", () => {
    const counts = countBy(results, firstChoice, 4);
    expect(chiSquarePValue(counts, q0)).toBeGreaterThan(FALSE_ALARM);
  });

  /** The law of the text, for energies raised to a power at the second step. */
  const lawOfRun = (firstLaw: readonly number[], power = 1) =>
    firstLaw.flatMap((q, a) => {
      const exact = (b: number) => [{ energy: boltzmann(a, b) ** power, probability: 1 }];
      return lawOfChoice(second[a] as number[], exact, duplicates).map((p) => q * p);
    });

  test("ends in texts with the frequencies of the exact law of the whole run", () => {
    const counts = countBy(results, wholeText, 16);
    expect(chiSquarePValue(counts, lawOfRun(q0))).toBeGreaterThan(FALSE_ALARM);
  });

  test("is told apart from wrong samplers by the same counts", () => {
    const counts = countBy(results, wholeText, 16);
    const raised = (power: number) => (a: number) =>
      oneRollout(a).map((e) => ({ ...e, energy: e.energy ** power }));
    // Rewarding the candidate as if it were finished, without rollouts.
    const noRollouts = (a: number) => [{ energy: Math.exp(reward(a, 1) / LAMBDA), probability: 1 }];
    const choice = (estimates: typeof oneRollout) => lawOfChoice(first, estimates, duplicates);
    for (const wrong of [
      lawOfRun(first, 0), // unguided
      lawOfRun(choice(raised(2)), 2),
      lawOfRun(choice(raised(50)), 50), // greedy
      lawOfRun(choice(noRollouts)),
    ]) {
      expect(chiSquarePValue(counts, wrong)).toBeLessThan(FALSE_ALARM);
    }
  });

  // Those of identical candidates that are rolled out once aren't independent.
  test.skipIf(duplicates)("has energies that are unbiased (z-test, false alarm 1e-6)", () => {
    for (const a of tokens.keys()) {
      const estimates = results.flatMap((r) =>
        (r.steps[0]?.candidates ?? []).flatMap((c, m) =>
          indexOf(c.tokens[0]) === a ? [Math.exp(r.steps[0]?.logEnergies[m] as number)] : [],
        ),
      );
      if (estimates.length < 100) continue;
      const mean = estimates.reduce((x, y) => x + y, 0) / estimates.length;
      const variance = estimates.reduce((s, x) => s + (x - mean) ** 2, 0) / (estimates.length - 1);
      const z = (mean - energyOf(a)) / Math.sqrt(variance / estimates.length);
      expect(Math.abs(z)).toBeLessThan(5.1); // two-sided 3.4e-7, of four energies
      // The twin: the energy at λ = .35 is refused.
      const other = (second[a] as number[]).reduce(
        (s, q, b) => s + q * Math.exp(reward(a, b) / 0.35),
        0,
      );
      expect(Math.abs((mean - other) / Math.sqrt(variance / estimates.length))).toBeGreaterThan(
        5.1,
      );
    }
  });
});

describe("the limits of λ", () => {
  test("λ → 0 with one step is best-of-n on the same seeds; of equal rewards it draws one", async () => {
    const { raw, ...options } = { ...policy(), raw: true, candidates: M, maxTokens: 2 };
    const same = { distinct: 0, tied: 0 };
    const seeds = 100;
    for (let seed = 0; seed < seeds; seed++) {
      for (const kind of ["distinct", "tied"] as const) {
        // Distinct for each text, or 1 for half of the first tokens and 0 for the others.
        const worth = (c: Completion) =>
          kind === "tied" ? indexOf(c.tokens[0]) % 2 : (5 * wholeText(c)) % 16;
        const given = { ...options, raw, seed, reward: worth };
        const best = await bestOfN(model(), PROMPT, given);
        const drawn = await ets(model(), PROMPT, { ...given, steps: 1, lambda: 1e-9 });
        if (best.text === drawn.text) same[kind]++;
        const worthOf = (text: Result) => worth({ tokens: text.tokens } as Completion);
        expect(worthOf(drawn)).toBe(worthOf(best));
      }
    }
    expect(same.distinct).toBe(seeds);
    expect(same.tied).toBeLessThan(0.9 * seeds);
  });

  test("λ → ∞ leaves the reference policy", async () => {
    const runs = 700;
    const results = await runEts({ duplicates: true, lambda: 1e9 }, runs);
    const law = first.flatMap((p, a) => (second[a] as number[]).map((q) => p * q));
    const counts = countBy(results, wholeText, 16);
    expect(chiSquarePValue(counts, law)).toBeGreaterThan(FALSE_ALARM);
    const target = first.flatMap((p, a) =>
      (second[a] as number[]).map((q, b) => p * q * boltzmann(a, b)),
    );
    expect(chiSquarePValue(counts, normalise(target.map(Math.log)))).toBeLessThan(FALSE_ALARM);
    const sampled: Result[] = [];
    for (let seed = 0; seed < runs; seed++) {
      sampled.push(await sample(model(), PROMPT, { ...policy(), raw: true, maxTokens: 2, seed }));
    }
    expect(chiSquarePValue(countBy(sampled, wholeText, 16), law)).toBeGreaterThan(FALSE_ALARM);
  });
});
