/**
 * Potentials: `particle` reaches its target whatever they say, and `ets` the law that they make of it,
 * on the enumerated policy of the other laws. The potential here is set against the reward.
 *
 * False alarms, over seeds, which are fixed: `FALSE_ALARM` for each test (|z| < `MAX_Z`).
 */
import { beforeAll, describe, expect, test } from "vitest";
import { normalise } from "../../src/energy/log-domain.js";
import type { Model } from "../../src/engine/engine.js";
import { ets } from "../../src/methods/ets.js";
import { particle } from "../../src/methods/particle.js";
import type { Result } from "../../src/methods/result.js";
import type { Step } from "../../src/methods/step.js";
import type { Completion } from "../../src/rewards/reward.js";
import { chiSquarePValue, meanZ } from "../fixtures/statistics.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable } from "../fixtures/table-engine/tables.js";
import { countTexts } from "../study/draws.js";
import {
  type EnumeratedPolicy,
  enumeratePolicy,
  type Node,
  PROMPT,
} from "../study/enumerated-policy.js";
import { choiceLaw, energy, referenceLaw, runLaw, targetLaw } from "../study/exact-law.js";
import { FALSE_ALARM, MAX_Z, useLawModel } from "./law-model.js";

const LAMBDA = 0.5;
const model: () => Model = useLawModel(new TableModel(hashedTable(2)), "mini-gsm-proposal");
let policy: EnumeratedPolicy;
beforeAll(async () => {
  policy = await enumeratePolicy(model(), model(), { lambda: LAMBDA });
});

/** φ of an unfinished text by its path: from 0 to 1.5, ψ from 1 to 20. */
const potentialOf = (path: readonly number[]) =>
  path.length === 0 ? 0 : ((3 * (path[0] as number) + 2 * (path[1] ?? 3)) % 4) / 2;
const pathOf = (tokens: readonly number[]) => tokens.map((token) => policy.tokens.indexOf(token));
const potential = ({ tokens, finishReason }: Completion) => {
  if (finishReason !== null) throw new Error("Expected unfinished texts alone");
  return potentialOf(pathOf(tokens));
};
/** The unfinished texts on the way to a text, by their paths. */
const unfinished = (path: readonly number[]) =>
  path.slice(1).map((_, length) => path.slice(0, length + 1));
const lastPotential = (path: readonly number[]) => potentialOf(unfinished(path).at(-1) ?? []);
const allPotentials = (path: readonly number[]) =>
  unfinished(path).reduce((sum, part) => sum + potentialOf(part), 0);

async function draw(method: typeof particle, runs: number, options: object): Promise<Result[]> {
  const results: Result[] = [];
  for (let seed = 0; seed < runs; seed++) {
    results.push(await method(model(), PROMPT, { ...policy.options, potential, ...options, seed }));
  }
  return results;
}

describe("particle with a potential", () => {
  const N = 6;
  let results: Result[];
  beforeAll(async () => {
    results = await draw(particle, 600, { candidates: N });
  });

  /** |z| of the mean of Ẑ · w(text) · factor against p_ref · exp(r / λ), the largest of all first tokens. */
  function largestZ(logFactor: (path: readonly number[]) => number): number {
    const zs = policy.tokens.map((token, a) => {
      const child = policy.root.children[a] as Node;
      const values = results.map(({ logNormaliser = 0, steps }) => {
        const { candidates, weights } = steps.at(-1) as Step;
        return candidates.reduce((sum, { tokens }, i) => {
          if (tokens[0] !== token) return sum;
          const factor = Math.exp(logNormaliser + logFactor(pathOf(tokens)) / LAMBDA);
          return sum + factor * (weights[i] as number);
        }, 0);
      });
      return Math.abs(meanZ(values, child.p * energy(policy, child)));
    });
    return Math.max(...zs);
  }

  test("weighs texts properly; wrong weights of the same texts are refused", () => {
    expect(largestZ(() => 0)).toBeLessThan(MAX_Z);
    expect(largestZ(lastPotential), "no division by ψ(last)").toBeGreaterThan(MAX_Z);
    expect(largestZ(allPotentials), "ψ not telescoped").toBeGreaterThan(MAX_Z);
    const resampled = results.filter(({ steps }) =>
      steps.slice(0, -1).some(({ ess }) => ess < N / 2),
    );
    expect(resampled.length).toBeGreaterThan(results.length / 10);
  });

  test("draws no rollouts, and records what the potential said of unfinished texts", () => {
    for (const { usage, settings, steps, law } of results.slice(0, 50)) {
      expect(usage.generated).toBeLessThanOrEqual(N * 3);
      expect(settings).toMatchObject({ rollouts: 0, potential: "potential" });
      expect(law).toBe("target");
      for (const { tokens, finishReason, potential } of steps.flatMap((s) => s.candidates)) {
        const expected = finishReason === null ? potentialOf(pathOf(tokens)) : undefined;
        expect(potential).toBe(expected);
      }
    }
  });

  test("ends in texts with the frequencies of the target; not those of wrong weights", async () => {
    const runs = 250;
    const many = { candidates: 50 };
    const counts = countTexts(policy, await draw(particle, runs, many));
    expect(chiSquarePValue(counts, targetLaw(policy))).toBeGreaterThan(FALSE_ALARM);
    const lawWith = (surplus: (path: readonly number[]) => number) =>
      normalise(
        referenceLaw(policy).map((p, i) => {
          const text = policy.texts[i] as Node;
          return Math.log(p) + (policy.rewardOf(text) + surplus(text.path)) / LAMBDA;
        }),
      );
    for (const surplus of [lastPotential, allPotentials]) {
      expect(chiSquarePValue(counts, lawWith(surplus))).toBeLessThan(FALSE_ALARM);
    }
  });
});

describe("ets with a potential", () => {
  const M = 4;
  /** The law of a run whose unfinished texts weigh as given, by their paths. */
  const lawBy = (weigh: (node: Node) => number) =>
    runLaw(policy, "exact energy", M, 1, (node) =>
      choiceLaw(
        node.children.map((child) => {
          const isFinished = child.children.length === 0;
          const value = isFinished ? Math.exp(policy.rewardOf(child) / LAMBDA) : weigh(child);
          return { probability: child.p, estimates: [{ value, probability: 1 }] };
        }),
        M,
      ),
    );

  test("has the law of ψ in the place of Ê, and calls it biased; other laws are refused", async () => {
    const results = await draw(ets as typeof particle, 700, { candidates: M });
    const counts = countTexts(policy, results);
    const psi = ({ path }: Node) => Math.exp(potentialOf(path) / LAMBDA);
    expect(chiSquarePValue(counts, lawBy(psi))).toBeGreaterThan(FALSE_ALARM);
    for (const wrong of [
      lawBy((node) => energy(policy, node)), // the exact energies
      lawBy(() => 1), // no guidance before the end
      targetLaw(policy),
      referenceLaw(policy),
    ]) {
      expect(chiSquarePValue(counts, wrong)).toBeLessThan(FALSE_ALARM);
    }
    for (const { law, settings } of results.slice(0, 20)) {
      expect({ law, rollouts: settings.rollouts }).toEqual({ law: "biased", rollouts: 0 });
    }
  });
});
