/**
 * Metropolis-Hastings on models whose texts can't be cut back, so that what is kept is read again:
 * the laws that the methods state, on 40 texts of up to three of four tokens.
 *
 * False alarms: each χ² test fails a right library with probability 1e-6, at these fixed seeds. Its
 * twins are the laws of wrong samplers.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { normalise } from "../../src/energy/log-domain.js";
import type { LocalModel } from "../../src/engine/local/model.js";
import { mh } from "../../src/methods/mh.js";
import { power } from "../../src/methods/power.js";
import type { Result } from "../../src/methods/result.js";
import { encodeGguf, type Gguf } from "../fixtures/gguf-writer.js";
import { loadLocal } from "../fixtures/models.js";
import { chiSquarePValue } from "../fixtures/statistics.js";
import { temporaryFile } from "../fixtures/temporary-directory.js";
import { tinyJamba, tinyMamba2 } from "../fixtures/tiny-recurrent-models.js";
import {
  type EnumeratedPolicy,
  enumeratePolicy,
  type Node,
  PROMPT,
} from "../study/enumerated-policy.js";
import { targetLaw } from "../study/exact-law.js";
import { type Omission, probabilityOf, runLaw } from "../study/kernel-law.js";

const FALSE_ALARM = 1e-6;
/** Texts moved side by side, each a Markov chain of its own. */
const CHAINS = 80;
const RUNS = 10;
const models: [string, Gguf][] = [
  ["mamba2", tinyMamba2()],
  ["jamba", tinyJamba()],
];

describe.each(models)("%s", (name, gguf) => {
  let model: LocalModel;
  let policy: EnumeratedPolicy;
  beforeAll(async () => {
    const file = temporaryFile(`${name}.gguf`, encodeGguf(gguf));
    model = await loadLocal(file, { gpu: false, threads: 1 });
    policy = await enumeratePolicy(model, model, { lambda: 1 });
  });
  afterAll(() => model.dispose());

  async function countLast(draw: (seed: number) => Promise<Result>): Promise<number[]> {
    const counts = policy.texts.map(() => 0);
    for (let seed = 0; seed < RUNS; seed++) {
      const { steps, usage, plan } = await draw(seed);
      expect(usage.prefilled).toBeLessThanOrEqual(plan.model.tokens.prefilled);
      for (const { tokens } of steps.at(-1)?.candidates ?? []) {
        const i = policy.textIndex(tokens);
        counts[i] = (counts[i] as number) + 1;
      }
    }
    return counts;
  }

  test("mh ends in texts with the frequencies of p_ref · exp(r / λ)", async () => {
    const moves = 15;
    const { blockTokens: _, ...options } = policy.options;
    const counts = await countLast((seed) =>
      mh(model, PROMPT, { ...options, candidates: CHAINS, moves, seed }),
    );
    const logDensity = (text: Node) =>
      Math.log(probabilityOf(policy, text)) + policy.rewardOf(text) / policy.lambda;
    const lawWithout = (omission: Omission) =>
      runLaw(policy, { power: 1, logDensity, omission }, { block: 3, moves });
    expect(chiSquarePValue(counts, targetLaw(policy))).toBeGreaterThan(FALSE_ALARM);
    for (const omission of ["cut density", "proposal density", "everything"] as const) {
      expect(chiSquarePValue(counts, lawWithout(omission)), omission).toBeLessThan(FALSE_ALARM);
    }
  });

  test("power ends in texts with the frequencies of p^α", async () => {
    const [alpha, moves] = [1.3, 10];
    const { reward: _, blockTokens: __, ...options } = policy.options;
    const own = { alpha, moves, blockTokens: 1, candidates: CHAINS };
    const counts = await countLast((seed) => power(model, PROMPT, { ...options, ...own, seed }));
    const logDensity = (text: Node) => alpha * Math.log(probabilityOf(policy, text));
    const lawWithout = (omission: Omission) =>
      runLaw(policy, { power: alpha, logDensity, omission }, { block: 1, moves });
    expect(chiSquarePValue(counts, normalise(policy.texts.map(logDensity)))).toBeGreaterThan(
      FALSE_ALARM,
    );
    for (const omission of ["cut density", "proposal density", "everything"] as const) {
      expect(chiSquarePValue(counts, lawWithout(omission)), omission).toBeLessThan(FALSE_ALARM);
    }
  });
});
