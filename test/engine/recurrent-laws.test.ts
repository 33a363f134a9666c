/**
 * Hybrid and recurrent models hold to the laws that the methods state, on 40 texts of up to three of
 * four tokens: guided runs, and Metropolis-Hastings, which reads again what it keeps of a text that
 * can't be cut back. `npm test` asks two of them, `npm run test:study -- recurrent-laws` all.
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
import {
  tinyFalconH1,
  tinyGraniteHybrid,
  tinyJamba,
  tinyLfm2,
  tinyMamba2,
  tinyNemotronH,
  tinyQwen35,
} from "../fixtures/tiny-recurrent-models.js";
import * as draws from "../study/draws.js";
import {
  type EnumeratedPolicy,
  enumeratePolicy,
  type Node,
  PROMPT,
} from "../study/enumerated-policy.js";
import {
  type Estimator,
  runLaw as guidedLaw,
  referenceLaw,
  targetLaw,
} from "../study/exact-law.js";
import { IS_STUDY } from "../study/form.js";
import { type Omission, probabilityOf, runLaw } from "../study/kernel-law.js";

const FALSE_ALARM = 1e-6;
/** Texts moved side by side, each a Markov chain of its own. */
const CHAINS = 80;
const RUNS = 10;
const models: [string, Gguf][] = [
  ["mamba2", tinyMamba2()],
  ["jamba", tinyJamba()],
];
const inStudy: [string, Gguf][] = [
  ["qwen35", tinyQwen35()],
  ["lfm2", tinyLfm2()],
  ["granitehybrid", tinyGraniteHybrid()],
  ["nemotron_h", tinyNemotronH()],
  ["falcon-h1", tinyFalconH1()],
];
if (IS_STUDY) models.push(...inStudy);

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
    const results: Result[] = [];
    for (let seed = 0; seed < RUNS; seed++) {
      const result = await draw(seed);
      expect(result.usage.prefilled).toBeLessThanOrEqual(result.plan.model.tokens.prefilled);
      results.push(result);
    }
    return draws.countLast(policy, results);
  }

  test.runIf(IS_STUDY)(
    "ets and ets-is end in texts with the laws of their estimators",
    async () => {
      const [candidates, runs] = [4, 600];
      const own = await draws.runs(model, policy, { candidates, rollouts: 1, runs });
      const counts = draws.countTexts(policy, own);
      const exact = guidedLaw(policy, "monte carlo", candidates);
      expect(chiSquarePValue(counts, exact)).toBeGreaterThan(FALSE_ALARM);
      expect(chiSquarePValue(counts, referenceLaw(policy))).toBeLessThan(FALSE_ALARM);
      const proposed = { candidates, rollouts: 1, runs, proposal: model };
      const byRatio = draws.countTexts(policy, await draws.runs(model, policy, proposed));
      const law = (estimator: Estimator) => guidedLaw(policy, estimator, candidates);
      expect(chiSquarePValue(byRatio, law("importance sampling"))).toBeGreaterThan(FALSE_ALARM);
      expect(chiSquarePValue(byRatio, referenceLaw(policy))).toBeLessThan(FALSE_ALARM);
    },
  );

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
