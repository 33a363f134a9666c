/**
 * Targets p^α and cuts by entropy, on an enumerated policy in which some tokens are nearly certain and
 * others aren't (as baselines.test.ts has it, on a table alone). False alarms: 1e-6 for each test, over
 * seeds, which are fixed. Each has twins that the same draws refuse.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { normalise } from "../../src/energy/log-domain.js";
import type { Model } from "../../src/engine/engine.js";
import { mh } from "../../src/methods/mh.js";
import { particle } from "../../src/methods/particle.js";
import { power } from "../../src/methods/power.js";
import { hasOwnReward } from "../../src/methods/registry.js";
import type { Result } from "../../src/methods/result.js";
import type { Step } from "../../src/methods/step.js";
import { chiSquarePValue, meanZ } from "../fixtures/statistics.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable, unevenTable } from "../fixtures/table-engine/tables.js";
import { countLast } from "../study/draws.js";
import {
  type EnumeratedPolicy,
  enumeratePolicy,
  type Node,
  PROMPT,
  wayTo,
} from "../study/enumerated-policy.js";
import { targetLaw, totalVariation } from "../study/exact-law.js";
import { type Omission, probabilityOf, runLaw } from "../study/kernel-law.js";

const FALSE_ALARM = 1e-6;
const MAX_Z = 4.89;
const CHAINS = 80;

const FIVE = new TableModel(hashedTable(7)).tokenize("5")[0] as number;
const table = unevenTable(hashedTable(7), FIVE, 4);
const model = new TableModel(table);
const uncut = new TableModel(table, { lacks: ["cut"] });
let policy: EnumeratedPolicy;
beforeAll(async () => {
  policy = await enumeratePolicy(model, model, { lambda: 1 });
});

function wholeOptions() {
  const { blockTokens: _, ...options } = policy.options;
  return options;
}

function rewardless() {
  const { reward: _, ...options } = wholeOptions();
  return options;
}

const logTarget = (alpha: number) => (text: Node) => alpha * Math.log(probabilityOf(policy, text));

describe.each<[string, Model]>([
  ["that cuts texts back", model],
  ["that can't", uncut],
])("cuts by entropy on an engine %s", (_, engine) => {
  const OMISSIONS = ["cut density", "lengths", "proposal density", "everything"] as const;
  const seeds = Array.from({ length: 6 }, (_, seed) => seed);

  test("leave mh its target; with the density of uniform cuts it would be another", async () => {
    const [moves, cuts] = [15, "entropy"] as const;
    const results: Result[] = [];
    for (const seed of seeds) {
      const own = { candidates: CHAINS, moves, cuts, seed };
      results.push(await mh(engine, PROMPT, { ...wholeOptions(), ...own }));
    }
    const counts = countLast(policy, results);
    const logDensity = (text: Node) => logTarget(1)(text) + policy.rewardOf(text) / policy.lambda;
    const lawOf = (omission: Omission) =>
      runLaw(policy, { power: 1, logDensity, omission, cuts }, { block: 3, moves });
    expect(totalVariation(lawOf("none"), targetLaw(policy))).toBeLessThan(0.01);
    expect(chiSquarePValue(counts, targetLaw(policy))).toBeGreaterThan(FALSE_ALARM);
    for (const omission of OMISSIONS) {
      expect(chiSquarePValue(counts, lawOf(omission)), omission).toBeLessThan(FALSE_ALARM);
    }
  });

  test.skipIf(engine === uncut)(
    "leave power its target; with the density of uniform cuts it would be another",
    async () => {
      const [alpha, moves, cuts] = [1.3, 10, "entropy"] as const;
      const results: Result[] = [];
      for (const seed of seeds) {
        const own = { alpha, moves, cuts, blockTokens: 1, candidates: CHAINS, seed };
        results.push(await power(engine, PROMPT, { ...rewardless(), ...own }));
      }
      const counts = countLast(policy, results);
      const logDensity = logTarget(alpha);
      const lawOf = (omission: Omission) =>
        runLaw(policy, { power: alpha, logDensity, omission, cuts }, { block: 1, moves });
      const target = normalise(policy.texts.map(logDensity));
      expect(totalVariation(lawOf("none"), target)).toBeLessThan(0.01);
      expect(chiSquarePValue(counts, target)).toBeGreaterThan(FALSE_ALARM);
      for (const omission of OMISSIONS) {
        expect(chiSquarePValue(counts, lawOf(omission)), omission).toBeLessThan(FALSE_ALARM);
      }
    },
  );
});

describe.each([2, 4])("particle at α = %d", (alpha) => {
  const N = 6;
  const LAMBDA = 0.5;
  const rewarded = (text: Node) => Math.exp(policy.rewardOf(text) / LAMBDA);
  const powerOf = (text: Node, exponent: number) => probabilityOf(policy, text) ** exponent;

  /** Its mass of the texts that begin with each token, and of all. */
  function masses(massOf: (text: Node) => number): number[] {
    const sumOver = (texts: readonly Node[]) => texts.reduce((sum, t) => sum + massOf(t), 0);
    const byFirst = policy.tokens.map((_, a) => policy.texts.filter(({ path }) => path[0] === a));
    return [...byFirst, policy.texts].map(sumOver);
  }

  /** |z| of Ẑ · w(text) against masses, the largest; `estimate` is Ẑ. */
  function largestZ(results: Result[], expected: number[], estimate: (r: Result) => number) {
    const zs = expected.map((mass, a) => {
      if (mass < 0.02 * (expected.at(-1) as number)) return 0; // hardly ever drawn
      const values = results.map((result) => {
        const { candidates, weights } = result.steps.at(-1) as Step;
        const isOf = (i: number) =>
          a === policy.tokens.length || candidates[i]?.tokens[0] === policy.tokens[a];
        const share = weights.filter((_, i) => isOf(i)).reduce((sum, w) => sum + w, 0);
        return estimate(result) * share;
      });
      return Math.abs(meanZ(values, mass));
    });
    return Math.max(...zs);
  }
  const Z = ({ logNormaliser = 0 }: Result) => Math.exp(logNormaliser);

  test("without a reward weighs texts properly: Ẑ is unbiased of Σ p(x)^α", async () => {
    const results: Result[] = [];
    for (let seed = 0; seed < 400; seed++) {
      const own = { alpha, candidates: N, blockTokens: 1, seed };
      results.push(
        await particle(seed % 2 === 0 ? model : uncut, PROMPT, { ...rewardless(), ...own }),
      );
    }
    expect(results[0]?.settings.reward).toBe("none");
    const generated = results.map(({ usage }) => usage.generated);
    expect(Math.max(...generated)).toBeLessThanOrEqual(3 * N); // nothing is rolled out
    const expected = masses((text) => powerOf(text, alpha));
    expect(largestZ(results, expected, Z)).toBeLessThan(MAX_Z);
    // Twins: another α, and particles that don't weigh what the sharpened tokens left out.
    for (const other of [alpha - 0.5, alpha + 0.5]) {
      expect(
        largestZ(
          results,
          masses((t) => powerOf(t, other)),
          Z,
        ),
      ).toBeGreaterThan(MAX_Z);
    }
    expect(largestZ(results, expected, () => expected.at(-1) as number)).toBeGreaterThan(MAX_Z);
  });

  test("with a reward weighs texts properly: Ẑ is unbiased of Σ p(x)^α exp(r / λ)", async () => {
    const results: Result[] = [];
    for (let seed = 0; seed < 400; seed++) {
      const own = { alpha, lambda: LAMBDA, candidates: N, blockTokens: 1, seed };
      results.push(await particle(model, PROMPT, { ...wholeOptions(), ...own }));
    }
    const expected = masses((text) => powerOf(text, alpha) * rewarded(text));
    expect(largestZ(results, expected, Z)).toBeLessThan(MAX_Z);
    for (const wrong of [
      masses((t) => powerOf(t, alpha)),
      masses((t) => powerOf(t, 1) * rewarded(t)),
    ]) {
      expect(largestZ(results, wrong, Z)).toBeGreaterThan(MAX_Z);
    }
  });

  test("returns texts with the frequencies of p^α, and not of tokens sharpened one by one", async () => {
    const counts = policy.texts.map(() => 0);
    for (let seed = 0; seed < 200; seed++) {
      const own = { alpha, candidates: 40, blockTokens: 1, seed: 10_000 + seed };
      const { tokens } = await particle(model, PROMPT, { ...rewardless(), ...own });
      const i = policy.textIndex(tokens);
      counts[i] = (counts[i] as number) + 1;
    }
    const target = normalise(policy.texts.map(logTarget(alpha)));
    expect(chiSquarePValue(counts, target)).toBeGreaterThan(FALSE_ALARM);
    const tokenwise = policy.texts.map((text) => {
      let siblings = policy.root.children;
      return wayTo(policy.root, text).reduce((product, node) => {
        const total = siblings.reduce((sum, { p }) => sum + p ** alpha, 0);
        siblings = node.children;
        return (product * node.p ** alpha) / total;
      }, 1);
    });
    expect(chiSquarePValue(counts, tokenwise)).toBeLessThan(FALSE_ALARM);
  });
});

test("an evaluation gives particle no votes where α makes it a target of its own", async () => {
  expect(hasOwnReward("particle", { alpha: 4 })).toBe(true);
  for (const options of [{}, { alpha: 1 }]) expect(hasOwnReward("particle", options)).toBe(false);
  expect(hasOwnReward("power", { alpha: 4 })).toBe(false); // it takes none
  const asked = await particle(model, PROMPT, { ...rewardless(), candidates: 4 });
  expect(asked.settings.reward).toBe("self-consistency");
});

test("α needs an autoregressive model, and a temperature that can be divided by it", async () => {
  const diffusion = new TableModel(hashedTable(7), { kind: "diffusion" });
  await expect(particle(diffusion, "q", { alpha: 2, raw: true })).rejects.toMatchObject({
    code: "ERR_INVALID_OPTION",
    message: expect.stringContaining("`alpha` needs an autoregressive model"),
  });
  const cold = particle(model, "q", { alpha: 100, temperature: 0.05, raw: true });
  await expect(cold).rejects.toThrow(/`temperature` \/ `alpha`.*Try: temperature: 0.1/s);
});
