/**
 * The baselines reach the targets they state, on a policy small enough to be enumerated: 40 texts
 * of up to three of four tokens, one of which ends the text. Everything drawn is drawn by the
 * library; the targets and the laws of wrong samplers come from `model.score` by enumeration.
 *
 * `npm test` draws from a table, `npm run test:study` from a bundled model. False alarms, over seeds,
 * which are fixed: `FALSE_ALARM` for each test.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { normalise } from "../../src/energy/log-domain.js";
import { resampleSystematically } from "../../src/energy/resampling.js";
import type { Model } from "../../src/engine/engine.js";
import { beam } from "../../src/methods/beam.js";
import { bestOfN } from "../../src/methods/best-of-n.js";
import { mh } from "../../src/methods/mh.js";
import { particle } from "../../src/methods/particle.js";
import { power } from "../../src/methods/power.js";
import type { Result } from "../../src/methods/result.js";
import { greedy } from "../../src/methods/sample.js";
import type { Step } from "../../src/methods/step.js";
import { chiSquarePValue } from "../fixtures/statistics.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable } from "../fixtures/table-engine/tables.js";
import { countLast } from "../study/draws.js";
import {
  type EnumeratedPolicy,
  enumeratePolicy,
  type Node,
  PROMPT,
  wayTo,
} from "../study/enumerated-policy.js";
import { referenceLaw, targetLaw, totalVariation } from "../study/exact-law.js";
import { IS_STUDY } from "../study/form.js";
import { type Omission, probabilityOf, runLaw } from "../study/kernel-law.js";
import { FALSE_ALARM, MAX_Z, useLawModel } from "./law-model.js";

/** Texts moved side by side: each is an independent Markov chain. */
const CHAINS = 80;
const RUNS = IS_STUDY ? 24 : 10;

const model = useLawModel(new TableModel(hashedTable(2)), "mini-gsm-proposal");
let policy: EnumeratedPolicy;
beforeAll(async () => {
  policy = await enumeratePolicy(model(), model(), { lambda: 1 });
});

const logDensityOfMh = (text: Node) =>
  Math.log(probabilityOf(policy, text)) + policy.rewardOf(text) / policy.lambda;

/** The law model, and an engine whose texts can't be cut back. sharpened.test.ts has cuts by entropy. */
const models: [string, () => Model][] = [
  ["that cuts texts back", () => model()],
  ["that can't", () => new TableModel(hashedTable(2), { lacks: ["cut"] })],
];
const cuts = "uniform" as const;

describe.each(models.slice(0, 1))("mh on an engine %s", (_, model) => {
  test("ends in texts with the frequencies of p_ref · exp(r / λ); wrong ratios are refused", async () => {
    const moves = 15;
    const results: Result[] = [];
    for (let seed = 0; seed < RUNS; seed++) {
      results.push(
        await mh(model(), PROMPT, { ...policyOptions(), candidates: CHAINS, moves, cuts, seed }),
      );
    }
    const counts = countLast(policy, results);
    expect(chiSquarePValue(counts, targetLaw(policy))).toBeGreaterThan(FALSE_ALARM);
    const lawWithout = (omission: Omission) =>
      runLaw(policy, { power: 1, logDensity: logDensityOfMh, omission, cuts }, { block: 3, moves });
    expect(totalVariation(lawWithout("none"), targetLaw(policy))).toBeLessThan(0.01);
    for (const omission of ["cut density", "proposal density", "everything"] as const) {
      expect(chiSquarePValue(counts, lawWithout(omission)), omission).toBeLessThan(FALSE_ALARM);
    }
  });
});

describe.each(IS_STUDY ? models.slice(0, 1) : models)("power on an engine %s", (_, model) => {
  test("ends in texts with the frequencies of p^α; wrong ratios are refused", async () => {
    const [alpha, moves] = [1.3, 10];
    const { reward: _, ...options } = policyOptions();
    const results: Result[] = [];
    for (let seed = 0; seed < RUNS; seed++) {
      const own = { alpha, moves, cuts, blockTokens: 1, candidates: CHAINS, seed };
      results.push(await power(model(), PROMPT, { ...options, ...own }));
    }
    const counts = countLast(policy, results);
    const logDensity = (text: Node) => alpha * Math.log(probabilityOf(policy, text));
    const target = normalise(policy.texts.map(logDensity));
    expect(chiSquarePValue(counts, target)).toBeGreaterThan(FALSE_ALARM);
    const lawWithout = (omission: Omission) =>
      runLaw(policy, { power: alpha, logDensity, omission, cuts }, { block: 1, moves });
    expect(totalVariation(lawWithout("none"), target)).toBeLessThan(0.01);
    for (const omission of ["cut density", "proposal density", "everything"] as const) {
      expect(chiSquarePValue(counts, lawWithout(omission)), omission).toBeLessThan(FALSE_ALARM);
    }
  });

  test("reports what it costs: acceptance, and tokens drawn", async () => {
    const { reward: _, ...options } = policyOptions();
    const result = await power(model(), PROMPT, { ...options, alpha: 1, moves: 5, candidates: 4 });
    // At α = 1 proposals are drawn from the target but for the cut.
    expect(result.acceptanceRate).toBeGreaterThan(0.6);
    expect(result.acceptanceRate).toBe(result.steps.at(-1)?.acceptanceRate);
    const { generated, prefilled } = result.plan.model.tokens;
    expect(result.usage.generated).toBeLessThanOrEqual(generated);
    expect(result.usage.prefilled).toBeLessThanOrEqual(prefilled);
  });
});

describe("particle", () => {
  const N = 6;
  const lambda = 0.5;
  let results: Result[];
  beforeAll(async () => {
    results = [];
    for (let seed = 0; seed < 1200; seed++) {
      const own = { candidates: N, lambda, blockTokens: 1, seed };
      results.push(await particle(model(), PROMPT, { ...policyOptions(), ...own }));
    }
  });

  const boltzmann = (text: Node) => Math.exp(policy.rewardOf(text) / lambda);
  const normaliser = () =>
    policy.texts.reduce((sum, text) => sum + probabilityOf(policy, text) * boltzmann(text), 0);

  /** z of the mean of Ẑ · w(text) against p_ref(text) · exp(r(text) / λ), for each first token. */
  function zScores(estimate: (result: Result) => number): number[] {
    return policy.tokens.map((token, a) => {
      const expected = policy.texts
        .filter(({ path }) => path[0] === a)
        .reduce((sum, text) => sum + probabilityOf(policy, text) * boltzmann(text), 0);
      const values = results.map((result) => {
        const { candidates, weights } = result.steps.at(-1) as Step;
        const share = weights.filter((_, i) => candidates[i]?.tokens[0] === token);
        return estimate(result) * share.reduce((sum, w) => sum + w, 0);
      });
      const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
      const variance = values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (values.length - 1);
      return (mean - expected) / Math.sqrt(variance / values.length);
    });
  }
  const largest = (zs: readonly number[]) => Math.max(...zs.map(Math.abs));

  test("weighs texts properly: Ẑ times the weights is unbiased, and so is Ẑ", () => {
    const estimated = zScores(({ logNormaliser = 0 }) => Math.exp(logNormaliser));
    expect(largest(estimated)).toBeLessThan(MAX_Z);
    const ratios = results.map(({ logNormaliser = 0 }) => Math.exp(logNormaliser) / normaliser());
    const mean = ratios.reduce((sum, x) => sum + x, 0) / ratios.length;
    const variance = ratios.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (ratios.length - 1);
    expect(Math.abs(mean - 1) / Math.sqrt(variance / ratios.length)).toBeLessThan(MAX_Z);
  });

  test("is told apart from samplers that drop the means of resampled weights, or all weights", () => {
    /** The estimate of the last step alone, as if nothing had been resampled before. */
    const withoutMeans = ({ logNormaliser = 0, steps }: Result) => {
      const before = steps.at(-2)?.logNormaliser ?? 0;
      const isResampled = (steps.at(-2)?.ess ?? N) < N / 2;
      return Math.exp(isResampled ? logNormaliser - before : logNormaliser);
    };
    const resampled = results.filter(({ steps }) =>
      steps.slice(0, -1).some(({ ess }) => ess < N / 2),
    );
    expect(resampled.length).toBeGreaterThan(results.length / 4);
    expect(largest(zScores(withoutMeans))).toBeGreaterThan(MAX_Z);
    expect(largest(zScores(normaliser))).toBeGreaterThan(MAX_Z);
  });

  test("resamples systematically: each text ⌊N w⌋ or ⌈N w⌉ times, N w on average", () => {
    const weights = [0.05, 0.4, 0, 0.35, 0.2];
    const points = 1000;
    const sums = weights.map(() => 0);
    for (let k = 0; k < points; k++) {
      const ancestors = resampleSystematically(weights, (k + 0.5) / points);
      for (const [i, w] of weights.entries()) {
        const count = ancestors.filter((a) => a === i).length;
        expect([Math.floor(5 * w + 1e-9), Math.ceil(5 * w - 1e-9)]).toContain(count);
        sums[i] = (sums[i] as number) + count;
      }
    }
    for (const [i, w] of weights.entries()) {
      expect((sums[i] as number) / points).toBeCloseTo(5 * w, 2);
    }
  });
});

describe("beam", () => {
  const scoreOf = (text: Node, penalty: number) =>
    wayTo(policy.root, text).reduce((sum, { p }) => sum + Math.log(p), 0) /
    text.path.length ** penalty;
  const search = (candidates: number, lengthPenalty: number) => {
    const { reward: _, ...options } = policyOptions();
    return beam(model(), PROMPT, { ...options, candidates, lengthPenalty });
  };

  test.each([0, 0.5, 1, 3])(
    "as wide as there are texts is exhaustive, penalty %d",
    async (penalty) => {
      const ranked = policy.texts.toSorted((a, b) => scoreOf(b, penalty) - scoreOf(a, penalty));
      const result = await search(64, penalty);
      const best = policy.textIndex(result.tokens);
      expect(policy.texts[best]?.path).toEqual(ranked[0]?.path);
      const { candidates, logEnergies } = result.steps.at(-1) as Step;
      expect(logEnergies[0]).toBeCloseTo(scoreOf(ranked[0] as Node, penalty), 2);
      expect(candidates[0]?.text).toBe(result.text);
      expect(result.logProbs.reduce((a, b) => a + b, 0)).toBeCloseTo(
        scoreOf(ranked[0] as Node, 0),
        2,
      );
    },
  );

  test("of width 1 takes the most probable token each time, which can miss the best text", async () => {
    const { reward: _, ...options } = policyOptions();
    const { temperature: __, ...untempered } = options;
    const narrow = await search(1, 3);
    const most = await greedy(model(), PROMPT, untempered);
    expect(narrow.tokens).toEqual(most.tokens);
    const best = policy.texts.toSorted((a, b) => scoreOf(b, 3) - scoreOf(a, 3))[0] as Node;
    expect(policy.texts[policy.textIndex(narrow.tokens)]?.path).not.toEqual(best.path);
  });
});

test.each([
  { temperature: 0.7 },
  { temperature: 2, topK: 5 },
  { temperature: 2, topP: 0.8 },
  { temperature: 1.5, topK: 40, topP: 0.9, minP: 0.01 },
])("particle's Ẑ of one token is Σ p^α of what %j leaves, exactly", async (sampling) => {
  const tokens = Array.from({ length: model().info.vocabSize }, (_, id) => [id]);
  const scores = await model().score(PROMPT, tokens, sampling, { raw: true });
  const logPower = (alpha: number) =>
    Math.log(scores.reduce((sum, { logProbs: [log = 0] }) => sum + Math.exp(alpha * log), 0));
  for (const alpha of [1.5, 20]) {
    const options = { ...sampling, alpha, raw: true, maxTokens: 1, candidates: 3 };
    const { logNormaliser } = await particle(model(), PROMPT, options);
    expect(logNormaliser).toBeCloseTo(logPower(alpha), 3);
    expect(logNormaliser).not.toBeCloseTo(logPower(alpha + 0.1), 2);
  }
});

describe("best-of-n", () => {
  test("returns each text as often as the largest of N rewards is its", async () => {
    const N = 4;
    const counts = policy.texts.map(() => 0);
    for (let seed = 0; seed < (IS_STUDY ? 1500 : 800); seed++) {
      const { tokens } = await bestOfN(model(), PROMPT, {
        ...policyOptions(),
        candidates: N,
        seed,
      });
      const i = policy.textIndex(tokens);
      counts[i] = (counts[i] as number) + 1;
    }
    /** P(the largest of n rewards is that of the text), the first of equals taken. */
    const lawOf = (n: number) => {
      const p = referenceLaw(policy);
      const rewards = policy.texts.map(policy.rewardOf);
      const sumWhere = (is: (reward: number) => boolean) =>
        p.reduce((sum, x, i) => sum + (is(rewards[i] as number) ? x : 0), 0);
      return rewards.map((r, i) => {
        const [upTo, below] = [sumWhere((x) => x <= r), sumWhere((x) => x < r)];
        return ((p[i] as number) * (upTo ** n - below ** n)) / (upTo - below);
      });
    };
    expect(chiSquarePValue(counts, lawOf(N))).toBeGreaterThan(FALSE_ALARM);
    for (const wrong of [lawOf(N / 2), lawOf(2 * N)]) {
      expect(chiSquarePValue(counts, wrong)).toBeLessThan(FALSE_ALARM);
    }
  });
});

function policyOptions() {
  const { blockTokens: _, ...options } = policy.options;
  return options;
}
