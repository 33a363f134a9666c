/**
 * ETS-IS against its exact law, on two tables that differ; `npm run test:study` asks the same of
 * models. Seeds are fixed; the test of the law and each z-test fail a right library with probability
 * 1e-6. Twins: the same draws must refuse the wrong estimators.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable, nearTable } from "../fixtures/table-engine/tables.js";
import * as draws from "../study/draws.js";
import { type EnumeratedPolicy, enumeratePolicy, type Node } from "../study/enumerated-policy.js";
import * as law from "../study/exact-law.js";
import { FALSE_ALARM, MAX_Z } from "./law-model.js";

const table = hashedTable(12);
const reference = new TableModel(table);
const proposal = new TableModel(nearTable(table, hashedTable(13), 1));
let policy: EnumeratedPolicy;

beforeAll(async () => {
  policy = await enumeratePolicy(reference, proposal);
});

test("ETS-IS draws texts with the frequencies of its exact law, and not of wrong estimators'", async () => {
  const M = 16;
  const options = { runs: 350, candidates: M, rollouts: 1, proposal: proposal };
  const results = await draws.runs(reference, policy, options);
  /** By the choices of the first step and of the run, and by the weights of the first step. */
  const p = (estimator: law.Estimator) => {
    const ofStep = law.stepLaw(policy, policy.root, estimator, M);
    const ofRun = law.runLaw(policy, estimator, M);
    return (
      3 *
      Math.min(
        draws.pValue(draws.countFirst(policy, results), ofStep),
        draws.pValue(draws.countTexts(policy, results), ofRun),
        draws.pValueOfWeights(
          results,
          ({ tokens }) => tokens[0],
          policy.tokens.map((token, a) => [token, ofStep[a] as number]),
        ),
      )
    );
  };
  expect(p("importance sampling")).toBeGreaterThan(FALSE_ALARM);
  for (const wrong of law.WRONG) expect(p(wrong)).toBeLessThan(FALSE_ALARM);
});

test.each([
  ["K = 1", { rollouts: 1 }],
  ["K = 2, mixture .5", { rollouts: 2, mixture: 0.5 }],
])(
  "the energies of ETS-IS with %s are unbiased, those of wrong estimators are not",
  async (_, options) => {
    const steps = await draws.firstSteps(reference, policy, {
      runs: 8,
      firstSeed: 100,
      candidates: 200,
      proposal: proposal,
      ...options,
    });
    const byToken = draws.estimatesByToken(policy, steps);
    const zs = (expected: (child: Node) => number) =>
      byToken.map((values, a) =>
        Math.abs(draws.zScore(values, expected(policy.root.children[a] as Node)) ?? 0),
      );
    for (const z of zs((child) => law.energy(policy, child))) expect(z).toBeLessThan(MAX_Z);
    for (const wrong of law.WRONG) {
      const meanOf = (child: Node) => law.mean(law.estimates(policy, child, wrong));
      expect(Math.max(...zs(meanOf))).toBeGreaterThan(MAX_Z);
    }
  },
);

describe("with rollouts that are resampled on their way", () => {
  const resampled = { rollouts: 2, resampleEvery: 1, proposal };

  test("energies are unbiased, those of wrong estimators are not", async () => {
    const options = { runs: 24, firstSeed: 300, candidates: 120, ...resampled };
    const steps = await draws.firstSteps(reference, policy, options);
    const byToken = draws.estimatesByToken(policy, steps);
    const zs = (expected: (child: Node) => number) =>
      byToken.map((values, a) =>
        Math.abs(draws.zScore(values, expected(policy.root.children[a] as Node)) ?? 0),
      );
    for (const z of zs((child) => law.energy(policy, child))) expect(z).toBeLessThan(MAX_Z);
    for (const wrong of law.WRONG_RESAMPLING) {
      const meanOf = (child: Node) => law.mean(law.resampledEstimates(policy, child, wrong));
      expect(Math.max(...zs(meanOf)), wrong).toBeGreaterThan(MAX_Z);
    }
  });

  test("a step has its exact law, and not that of wrong estimators", async () => {
    const M = 8;
    const results = await draws.runs(reference, policy, { runs: 350, candidates: M, ...resampled });
    const p = (resampling: law.Resampling) => {
      const ofStep = law.resampledStepLaw(policy, policy.root, M, resampling);
      const weighed = policy.tokens.map((token, a) => [token, ofStep[a] as number] as const);
      return (
        2 *
        Math.min(
          draws.pValue(draws.countFirst(policy, results), ofStep),
          draws.pValueOfWeights(results, ({ tokens }) => tokens[0], weighed),
        )
      );
    };
    expect(p("resampled")).toBeGreaterThan(FALSE_ALARM);
    for (const wrong of law.WRONG_RESAMPLING) expect(p(wrong), wrong).toBeLessThan(FALSE_ALARM);
  });
});

test("bounds every weight by 1 / mixture", async () => {
  const largest = async (options: { mixture?: number }) => {
    const steps = await draws.firstSteps(reference, policy, {
      runs: 1,
      candidates: 200,
      rollouts: 4,
      proposal: proposal,
      ...options,
      proposalTemperature: 2,
    });
    const all = steps.flatMap(({ candidates }) => candidates.flatMap((c) => c.completions));
    return Math.max(...all.map(({ logRatio }) => logRatio));
  };
  expect(await largest({ mixture: 0.25 })).toBeLessThanOrEqual(Math.log(4) + 1e-9);
  // Drawn by the reference alone, all weigh the same.
  expect(await largest({ mixture: 1 })).toBe(0);
  // The twin: without a mixture the bound is exceeded, by one in 25.
  expect(await largest({})).toBeGreaterThan(Math.log(4));
});
