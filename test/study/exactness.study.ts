/**
 * The study of docs/exactness.md, `npm run test:study`: that ETS and ETS-IS draw from the laws they
 * claim, on the bundled models restricted to four tokens. Everything drawn is drawn by the library;
 * the laws come from `model.score` by enumeration.
 *
 * Seeds are fixed. Each χ² test and z-test fails a right library with probability 1e-4 over seeds.
 * Each has twins: the same counts must refuse the laws of wrong estimators.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fitGeneralisedPareto } from "../../src/energy/psis.js";
import { bestOfN } from "../../src/methods/best-of-n.js";
import { ets } from "../../src/methods/ets.js";
import type { Result } from "../../src/methods/result.js";
import { sample } from "../../src/methods/sample.js";
import { useModel } from "../fixtures/models.js";
import * as draws from "./draws.js";
import {
  type EnumeratedPolicy,
  enumeratePolicy,
  type Node,
  PROMPT,
  TEMPERATURE,
  wayTo,
} from "./enumerated-policy.js";
import * as law from "./exact-law.js";
import { draw, type Panel, type Series } from "./figure.js";
import { paretoSample } from "./pareto.js";

const FALSE_ALARM = 1e-4;
/** Two-sided 1e-4. */
const MAX_Z = 3.89;
const M = 16;
const RUNS = 1500;
const COLORS = { mc: "#2a78d6", is: "#d9822b", wrong: "#c0392b", other: "#7f8c8d" };

const reference = useModel("mini-gsm-ref");
const proposal = useModel("mini-gsm-proposal");
let policy: EnumeratedPolicy;
/** Weaker guidance and two tokens: TV falls as 1/M from M = 1 on. */
let mild: EnumeratedPolicy;

const rows: [promise: string, how: string, result: string][] = [];
const note = (promise: string, how: string, result: string) => rows.push([promise, how, result]);
const figures = fileURLToPath(new URL("../../docs/study/", import.meta.url));

beforeAll(async () => {
  policy = await enumeratePolicy(reference(), proposal());
  mild = await enumeratePolicy(reference(), proposal(), { horizon: 2, lambda: 1 });
  mkdirSync(figures, { recursive: true });
});

afterAll(() => {
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  const line = (row: readonly string[]) => row.map((cell, i) => cell.padEnd(width(i))).join("  ");
  console.log(`\n${rows.map(line).join("\n")}\n`);
});

describe("the exact law", () => {
  test("satisfies Proposition 2: p*(x_s | x_t) ∝ p_ref(x_s | x_t) E(x_s), to 1e-6", () => {
    const byTransitions = law.runLaw(policy, "exact energy", 1, 1, (node) => {
      const products = node.children.map((child) => child.p * law.energy(policy, child));
      return products.map((x) => x / products.reduce((a, b) => a + b, 0));
    });
    const target = law.targetLaw(policy);
    const errors = byTransitions.map((p, i) => Math.abs(p - (target[i] as number)));
    note(
      "Proposition 2",
      `${policy.texts.length} texts`,
      `largest error ${exp(Math.max(...errors))}`,
    );
    expect(Math.max(...errors)).toBeLessThan(1e-6);
    // The twin: leaving the energies out.
    expect(law.totalVariation(law.referenceLaw(policy), law.targetLaw(policy))).toBeGreaterThan(
      0.1,
    );
  });

  test("has the probabilities that texts scored one by one have, to 1e-3 of each", async () => {
    const sampling = { temperature: TEMPERATURE.reference, allowedTokens: policy.tokens };
    const errors: number[] = [];
    for (const [t, p] of law.referenceLaw(policy).entries()) {
      const ids = policy.texts[t]?.path.map((i) => policy.tokens[i] as number) ?? [];
      const [scores] = await reference().score(PROMPT, [ids], sampling, { raw: true });
      const logP = [...(scores?.logProbs ?? [])].reduce((a, b) => a + b, 0);
      errors.push(Math.abs(Math.exp(logP) / p - 1));
    }
    note("Scoring packed and one by one", "relative", `largest error ${exp(Math.max(...errors))}`);
    expect(Math.max(...errors)).toBeLessThan(1e-3);
  });

  test("is the same by enumeration and by the integral of 1/S = ∫ exp(-uS) du, to 1e-5", () => {
    for (const estimator of ["monte carlo", "importance sampling"] as const) {
      const items = law.itemsOf(policy, policy.root, estimator);
      const gap = law.totalVariation(law.choiceLaw(items, 3), law.choiceLawByEnumeration(items, 3));
      note("Law by integral", `${estimator}, M = 3`, `TV to enumeration ${exp(gap)}`);
      expect(gap).toBeLessThan(1e-5);
    }
  });

  test("of right estimators has the exact energy as mean; of wrong ones it has not", () => {
    for (const child of policy.root.children.slice(0, 3)) {
      const exact = law.energy(policy, child);
      const ofMean = (estimator: law.Estimator) =>
        law.mean(law.estimates(policy, child, estimator)) / exact;
      expect(ofMean("monte carlo")).toBeCloseTo(1, 10);
      expect(ofMean("importance sampling")).toBeCloseTo(1, 10);
      expect(law.mean(law.mixtureEstimates(policy, child)) / exact).toBeCloseTo(1, 10);
      for (const wrong of law.WRONG) expect(Math.abs(ofMean(wrong) - 1)).toBeGreaterThan(0.01);
    }
  });
});

describe.each([
  ["ETS", "monte carlo", false],
  ["ETS-IS", "importance sampling", false],
  ["ETS-IS, identical candidates rolled out once", "importance sampling", true],
] as const)("%s", (name, estimator, shareDuplicates) => {
  let results: Result[];
  let first: number[];
  let texts: number[];
  const isProposed = estimator === "importance sampling";
  const lawOfStep = (estimated: law.Estimator) => (node: Node) =>
    shareDuplicates
      ? law.choiceLawSharing(law.itemsOf(policy, node, estimated), M)
      : law.stepLaw(policy, node, estimated, M);

  beforeAll(async () => {
    results = await draws.runs(reference(), policy, {
      runs: RUNS,
      candidates: M,
      rollouts: 1,
      shareDuplicates,
      ...(isProposed && { proposal: proposal() }),
    });
    first = draws.countFirst(policy, results);
    texts = draws.countTexts(policy, results);
  });

  test("chooses its first step with the frequencies of the exact law (χ², false alarm 1e-4)", () => {
    const p = draws.pValue(first, lawOfStep(estimator)(policy.root));
    note(`${name}: one step`, `χ², ${RUNS} runs, M = ${M}`, `p = ${p.toFixed(3)}`);
    expect(p).toBeGreaterThan(FALSE_ALARM);
  });

  test("ends in texts with the frequencies of the exact law (χ², false alarm 1e-4)", () => {
    const exact = law.runLaw(policy, estimator, M, 1, lawOfStep(estimator));
    const p = draws.pValue(texts, exact);
    note(`${name}: whole run`, `χ², ${policy.texts.length} texts`, `p = ${p.toFixed(3)}`);
    expect(p).toBeGreaterThan(FALSE_ALARM);
    if (isProposed && !shareDuplicates) drawFrequencies(texts, exact);
  });

  test("is told apart from wrong estimators by the same counts", () => {
    for (const wrong of law.WRONG) {
      const p = draws.pValue(texts, law.runLaw(policy, wrong, M, 1, lawOfStep(wrong)));
      const ofStep = draws.pValue(first, lawOfStep(wrong)(policy.root));
      note(`${name}: twin`, wrong, `p = ${exp(p)} (one step: ${exp(ofStep)})`);
      // By one of the two tests.
      expect(2 * Math.min(p, ofStep)).toBeLessThan(FALSE_ALARM);
    }
    const unguided = draws.pValue(texts, law.referenceLaw(policy));
    expect(unguided).toBeLessThan(FALSE_ALARM);
  });

  test("reports the log-probabilities and ratios that scoring gives", () => {
    let [worst, worstRatio, wrongRatio] = [0, 0, 0];
    for (const { tokens, logProbs, steps } of results.slice(0, 300)) {
      const text = policy.texts[policy.textIndex(tokens)] as Node;
      for (const [i, { p }] of wayTo(policy.root, text).entries()) {
        worst = Math.max(worst, Math.abs((logProbs[i] as number) - Math.log(p)));
      }
      for (const { step, candidates } of steps) {
        for (const { rollout, tokens: drawn, logRatio } of candidates.flatMap(
          (c) => c.completions,
        )) {
          if (rollout === null) continue;
          const way = wayTo(policy.root, policy.texts[policy.textIndex(drawn)] as Node);
          const ratioFrom = (at: number) =>
            isProposed ? way.slice(at).reduce((s, n) => s + Math.log(n.p / n.q), 0) : 0;
          worstRatio = Math.max(worstRatio, Math.abs(logRatio - ratioFrom(step + 1)));
          wrongRatio = Math.max(wrongRatio, Math.abs(logRatio - ratioFrom(step)));
        }
      }
    }
    note(
      `${name}: log p, log ratio`,
      "decoding vs scoring",
      `${exp(worst)}, ${exp(worstRatio)} nats`,
    );
    // ETS decodes with flash attention where llama.cpp offers it; scoring and ETS-IS do without.
    expect(worst).toBeLessThan(isProposed ? 1e-3 : 5e-3);
    expect(worstRatio).toBeLessThan(2e-3);
    if (isProposed) expect(wrongRatio).toBeGreaterThan(0.05);
  });
});

test("`finish: resample` chooses finished texts with the frequencies of its exact law", async () => {
  const runs = 2000;
  for (const estimator of ["monte carlo", "importance sampling"] as const) {
    const isProposed = estimator === "importance sampling";
    const results = await draws.runs(reference(), mild, {
      runs,
      candidates: 8,
      rollouts: 1,
      finish: "resample",
      ...(isProposed && { proposal: proposal() }),
    });
    // One choice among M texts, the first token of p_ref, the second of who draws rollouts.
    const items = (estimated: law.Estimator) =>
      mild.root.children.flatMap((child) =>
        law.estimates(mild, child, estimated).map((outcome) => ({
          probability: child.p * outcome.probability,
          estimates: [{ value: outcome.value, probability: 1 }],
        })),
      );
    const counts = draws.countTexts(mild, results);
    const p = draws.pValue(counts, law.choiceLaw(items(estimator), 8));
    note("finish: resample", `${estimator}, χ², ${runs} runs, M = 8`, `p = ${p.toFixed(3)}`);
    expect(p).toBeGreaterThan(FALSE_ALARM);
    if (!isProposed) continue;
    const unweighted = draws.pValue(counts, law.choiceLaw(items("no ratio"), 8));
    note("finish: resample, twin", "no ratio", `p = ${exp(unweighted)}`);
    expect(unweighted).toBeLessThan(FALSE_ALARM);
  }
});

describe("the energy estimate", () => {
  const settings = {
    "Monte Carlo, K = 1": { rollouts: 1 },
    "importance sampling, K = 1": { rollouts: 1, isProposed: true },
    "importance sampling, K = 2": { rollouts: 2, isProposed: true },
    "importance sampling, K = 2, mixture .5": { rollouts: 2, isProposed: true, mixture: 0.5 },
  };
  test.each(Object.entries(settings))(
    "of %s is unbiased (z-test, false alarm 1e-4)",
    async (name, setting) => {
      const { isProposed = false, ...options } = { isProposed: false, ...setting };
      const steps = await draws.firstSteps(reference(), policy, {
        runs: 24,
        firstSeed: 5000,
        candidates: 200,
        ...options,
        ...(isProposed && { proposal: proposal() }),
      });
      const zs = draws.estimatesByToken(policy, steps).map((values, a) => {
        const child = policy.root.children[a] as Node;
        return { child, values, z: draws.zScore(values, law.energy(policy, child)) };
      });
      const largest = (expected: (child: Node) => number) =>
        Math.max(
          ...zs.map(({ child, values }) => Math.abs(draws.zScore(values, expected(child)) ?? 0)),
        );
      note(
        "Energy unbiased",
        name,
        zs.flatMap(({ z }) => (z === null ? [] : [`z = ${z.toFixed(2)}`])).join(", "),
      );
      for (const { z } of zs) expect(Math.abs(z ?? 0)).toBeLessThan(MAX_Z);
      const twins: law.Estimator[] =
        isProposed && !("mixture" in setting) ? [...law.WRONG] : ["no ratio"];
      for (const wrong of twins) {
        const z = largest((child) => law.mean(law.estimates(policy, child, wrong)));
        if (isProposed && options.rollouts === 1)
          note("Energy: twin", wrong, `|z| = ${z.toFixed(0)}`);
        expect(z).toBeGreaterThan(MAX_Z);
      }
    },
  );

  test("is changed by `psis` and by a clip that binds (measured): why `exact` is the default", async () => {
    // On the same draws, so that the differences to exact weights are the treatment's own.
    for (const proposalTemperature of [TEMPERATURE.proposal, 1]) {
      const energiesOf = async (weights: "exact" | "psis" | "clip") => {
        const steps = await draws.firstSteps(reference(), policy, {
          runs: 100,
          firstSeed: 6000,
          candidates: 40,
          rollouts: 1,
          proposal: proposal(),
          proposalTemperature,
          weights,
        });
        return draws.estimatesByToken(policy, steps);
      };
      const exact = await energiesOf("exact");
      for (const weights of ["psis", "clip"] as const) {
        const treated = await energiesOf(weights);
        const biases = treated.flatMap((values, a) => {
          const expected = law.energy(policy, policy.root.children[a] as Node);
          const differences = values.map((x, i) => (x - (exact[a]?.[i] as number)) / expected);
          const z = draws.zScore(differences, 0);
          if (z === null) return [];
          const mean = differences.reduce((x, y) => x + y, 0) / differences.length;
          return [`${(100 * mean).toFixed(1)}% (z ${Number.isNaN(z) ? "–" : z.toFixed(1)})`];
        });
        const how = `K = 1, M = 40, proposal at ${proposalTemperature}, by first token`;
        note(`Bias of weights: ${weights}`, how, biases.join(", "));
      }
    }
    const clipped = policy.root.children.slice(0, 3).map((child) => {
      const mean = law.mean(law.estimates(policy, child, "clipped"));
      return `${(100 * (mean / law.energy(policy, child) - 1)).toFixed(1)}%`;
    });
    note(`Bias of clip at ±${law.CLIP}`, "by enumeration", clipped.join(", "));
  });

  test("has an RMSE that falls as K^-½ (slope -.5 ± .1, from the library's draws)", async () => {
    const Ks = [1, 2, 4, 8, 16, 32];
    const runsOf = [10, 8, 6, 4, 3, 2];
    for (const [name, isProposed] of [
      ["ETS", false],
      ["ETS-IS", true],
    ] as const) {
      const points: [number, number][] = [];
      for (const [i, K] of Ks.entries()) {
        const steps = await draws.firstSteps(reference(), policy, {
          runs: runsOf[i] as number,
          firstSeed: 7000 + 100 * K,
          candidates: 200,
          rollouts: K,
          ...(isProposed && { proposal: proposal() }),
        });
        points.push([K, draws.relativeRmse(policy, steps)]);
      }
      rmse[name] = points;
      const { slope } = draws.logSlope(
        Ks,
        points.map(([, y]) => y),
      );
      note(`${name}: energy RMSE in K`, "library draws, K = 1 … 32", `slope ${slope.toFixed(3)}`);
      expect(Math.abs(slope + 0.5)).toBeLessThan(0.1);
    }
  });
});

const rmse: Record<string, [number, number][]> = {};
const tvByWeights: Record<string, [number, number][]> = {};
const tvByCounts: Record<string, [number, number][]> = {};

describe("the distance to the target", () => {
  const Ms = [1, 2, 4, 8];
  const runsOf = [600, 1500, 2000, 3000];
  const BATCHES = 10;

  test.each([
    ["ETS", "monte carlo", 8000],
    ["ETS-IS", "importance sampling", 20_000],
  ] as const)(
    "of %s falls as 1/M (slope -1 ± .15, from the library's draws)",
    async (name, estimator, firstSeed) => {
      const target = law.targetLaw(mild);
      const weighted: { tv: number; error: number }[] = [];
      const counted: { tv: number; error: number }[] = [];
      const elsewhere: number[] = [];
      // Ratios are heavy-tailed: ETS-IS is in its asymptotic regime from about M = 4 on.
      const sizes = estimator === "importance sampling" ? Ms.map((M) => 4 * M) : Ms;
      for (const [i, candidates] of sizes.entries()) {
        const runs = runsOf[i] as number;
        const results = await draws.runs(reference(), mild, {
          runs,
          firstSeed,
          candidates,
          rollouts: 1,
          ...(estimator === "importance sampling" && { proposal: proposal() }),
        });
        const exact = law.runLaw(mild, estimator, candidates);
        const distance = (some: readonly Result[]) =>
          draws.projectedDistance(draws.lawByWeights(mild, some), exact, target);
        const size = Math.floor(runs / BATCHES);
        const batches = Array.from({ length: BATCHES }, (_, b) =>
          distance(results.slice(b * size, (b + 1) * size)),
        );
        weighted.push({ tv: distance(results), error: standardError(batches) });
        const frequencies = draws.countTexts(mild, results).map((count) => count / runs);
        const tv = draws.projectedDistance(frequencies, exact, target);
        counted.push({ tv, error: 0.5 / Math.sqrt(runs) });
        // The twin: the distance to the target of another λ.
        const other = law.targetLaw(mild, 0.8 * mild.lambda);
        elsewhere.push(draws.projectedDistance(draws.lawByWeights(mild, results), exact, other));
        note(
          `${name}: TV to target, M = ${candidates}`,
          `${runs} runs; exact ${law.totalVariation(exact, target).toFixed(4)}`,
          `by weights ${plusMinus(weighted.at(-1))}, by counts ${plusMinus(counted.at(-1))}`,
        );
        expect(Math.abs(tv - law.totalVariation(exact, target))).toBeLessThan(
          (MAX_Z * 0.5) / Math.sqrt(runs),
        );
      }
      tvByWeights[name] = weighted.map(({ tv }, i) => [sizes[i] as number, tv]);
      tvByCounts[name] = counted.map(({ tv }, i) => [sizes[i] as number, tv]);
      const byWeights = draws.logSlope(
        sizes,
        weighted.map(({ tv }) => tv),
      );
      const relative = counted.map(({ tv, error }) => error / tv);
      const byCounts = draws.logSlope(
        sizes,
        counted.map(({ tv }) => tv),
        relative,
      );
      const twin = draws.logSlope(
        sizes,
        elsewhere.map((tv) => Math.max(tv, 1e-9)),
      );
      const large = [16, 32, 64, 128];
      const exactSlope = draws.logSlope(
        large,
        large.map((m) => law.totalVariation(law.runLaw(mild, estimator, m), target)),
      );
      note(
        `${name}: slope of TV in M`,
        `by the library's weights, M = ${sizes[0]} … ${sizes.at(-1)}`,
        byWeights.slope.toFixed(3),
      );
      note(
        `${name}: slope of TV in M`,
        "by the library's counts",
        plusMinus({ tv: byCounts.slope, error: byCounts.error }, 2),
      );
      note(`${name}: slope of TV in M`, "exact law, M = 16 … 128", exactSlope.slope.toFixed(3));
      note(`${name}: slope, twin`, "to the target at .8 λ", twin.slope.toFixed(3));
      expect(Math.abs(byWeights.slope + 1)).toBeLessThan(0.15);
      expect(Math.abs(byCounts.slope - byWeights.slope)).toBeLessThan(MAX_Z * byCounts.error);
      expect(Math.abs(exactSlope.slope + 1)).toBeLessThan(0.15);
      expect(Math.abs(twin.slope + 1)).toBeGreaterThan(0.15);
    },
  );

  test("falls as 1/M for no wrong estimator (exact laws)", () => {
    const large = [16, 32, 64, 128];
    const target = law.targetOfStep(policy);
    for (const wrong of law.WRONG) {
      const tvs = large.map((m) =>
        law.totalVariation(law.stepLaw(policy, policy.root, wrong, m), target),
      );
      const { slope } = draws.logSlope(large, tvs);
      note(
        "TV floor, exact law",
        wrong,
        `TV ${tvs.at(-1)?.toFixed(3)} at M = 128, slope ${slope.toFixed(2)}`,
      );
      expect(slope).toBeGreaterThan(-0.5);
    }
  });

  test("of ETS-IS has a part that falls as 1/K, to what exact energies give (exact laws)", () => {
    const Ks = [8, 16, 32, 64];
    const limit = law.stepLaw(policy, policy.root, "exact energy", 4);
    for (const estimator of ["monte carlo", "importance sampling"] as const) {
      const excess = Ks.map((K) =>
        law.totalVariation(law.stepLaw(policy, policy.root, estimator, 4, K), limit),
      );
      const { slope } = draws.logSlope(Ks, excess);
      note(
        "Excess TV in K, exact law",
        `${estimator}, M = 4, K = 8 … 64`,
        `slope ${slope.toFixed(3)}`,
      );
      expect(Math.abs(slope + 1)).toBeLessThan(0.15);
    }
  });

  test("is drawn", () => {
    const Ms = [1, 2, 4, 8, 16, 32, 64, 128];
    const Ks = [1, 2, 4, 8, 16, 32];
    const target = law.targetOfStep(policy);
    const mildTarget = law.targetLaw(mild);
    const exactLine = (name: string, color: string, estimator: law.Estimator): Series => ({
      name,
      color,
      kind: "line",
      points: Ms.map((m) => [m, law.totalVariation(law.runLaw(mild, estimator, m), mildTarget)]),
    });
    const step = (
      name: string,
      color: string,
      kind: Series["kind"],
      estimator: law.Estimator,
    ): Series => ({
      name,
      color,
      kind,
      points: Ms.map((m) => [
        m,
        law.totalVariation(law.stepLaw(policy, policy.root, estimator, m), target),
      ]),
    });
    const exactRmse = (name: string, color: string, estimator: law.Estimator): Series => ({
      name,
      color,
      kind: "line",
      points: Ks.map((K) => [K, exactRelativeRmse(estimator) / Math.sqrt(K)]),
    });
    const svg = draw("Distance to the target p*, and error of the energies", [
      {
        title: "Whole run: the library against the exact law",
        xLabel: "candidates M",
        yLabel: "TV to p*",
        series: [
          exactLine("ETS, exact", COLORS.mc, "monte carlo"),
          exactLine("ETS-IS, exact", COLORS.is, "importance sampling"),
          {
            name: "ETS, library",
            color: COLORS.mc,
            kind: "dots",
            points: tvByWeights.ETS ?? [],
          },
          {
            name: "ETS-IS, library",
            color: COLORS.is,
            kind: "dots",
            points: tvByWeights["ETS-IS"] ?? [],
          },
        ],
      },
      {
        title: "One step, exact laws: wrong estimators have a floor",
        xLabel: "candidates M",
        yLabel: "TV to p*",
        series: [
          step("ETS, exact", COLORS.mc, "line", "monte carlo"),
          step("ETS-IS, exact", COLORS.is, "line", "importance sampling"),
          step("wrong: no ratio", COLORS.wrong, "dashed", "no ratio"),
          step(
            "wrong: ratio over the candidate too",
            "#7a52c7",
            "dashed",
            "ratio over the candidate too",
          ),
          step("wrong: temperature ignored", COLORS.other, "dashed", "temperature ignored"),
          step(`wrong: clipped at ±${law.CLIP}`, "#3a9a5b", "dashed", "clipped"),
        ],
      },
      {
        title: "Energy: relative RMSE",
        xLabel: "rollouts K",
        yLabel: "RMSE / E",
        series: [
          exactRmse("ETS, exact", COLORS.mc, "monte carlo"),
          exactRmse("ETS-IS, exact", COLORS.is, "importance sampling"),
          { name: "ETS, library", color: COLORS.mc, kind: "dots", points: rmse.ETS ?? [] },
          { name: "ETS-IS, library", color: COLORS.is, kind: "dots", points: rmse["ETS-IS"] ?? [] },
        ],
      },
    ]);
    writeFileSync(`${figures}slopes.svg`, svg);
  });
});

describe("the limits", () => {
  test.each([
    ["ETS", false],
    ["ETS-IS", true],
  ] as const)("λ → ∞: %s is plain sampling (χ², false alarm 1e-4)", async (name, isProposed) => {
    const results = await draws.runs(reference(), policy, {
      runs: 1000,
      firstSeed: 30_000,
      candidates: 4,
      rollouts: 1,
      lambda: 1e9,
      ...(isProposed && { proposal: proposal() }),
    });
    // With p_ref's own rollouts all weights are equal. Ratios still differ, at every λ.
    const flat: EnumeratedPolicy = { ...policy, lambda: 1e9 };
    const exact = law.runLaw(flat, isProposed ? "importance sampling" : "monte carlo", 4);
    const counts = draws.countTexts(policy, results);
    const p = draws.pValue(counts, exact);
    const gap = law.totalVariation(exact, law.referenceLaw(policy));
    note(
      `${name}: λ = 1e9`,
      `χ², 1000 runs; TV of its law to p_ref ${gap.toFixed(3)}`,
      `p = ${p.toFixed(3)}`,
    );
    expect(p).toBeGreaterThan(FALSE_ALARM);
    if (!isProposed) expect(gap).toBeLessThan(1e-6);
    expect(draws.pValue(counts, law.targetLaw(policy))).toBeLessThan(FALSE_ALARM);
  });

  test("plain sampling draws from p_ref (χ², false alarm 1e-4)", async () => {
    const results: Result[] = [];
    for (let seed = 0; seed < 1000; seed++) {
      const { temperature, allowedTokens, raw, maxTokens } = policy.options;
      const options = { temperature, allowedTokens, raw, maxTokens, seed };
      results.push(await sample(reference(), PROMPT, options));
    }
    const p = draws.pValue(draws.countTexts(policy, results), law.referenceLaw(policy));
    note("Plain sampling", "χ², 1000 runs", `p = ${p.toFixed(3)}`);
    expect(p).toBeGreaterThan(FALSE_ALARM);
  });

  test("I = 1, λ → 0 is best-of-n on the same seeds", async () => {
    let same = 0;
    let sameAtOnce = 0;
    const { blockTokens: _, ...shared } = policy.options;
    // No ties: equal rewards would leave the choice open.
    const reward = (c: { tokens: readonly number[] }) => {
      const i = policy.textIndex(c.tokens);
      return policy.rewardOf(policy.texts[i] as Node) + i * 1e-4;
    };
    for (let seed = 0; seed < 200; seed++) {
      const options = { ...shared, reward, candidates: 6, seed };
      const best = await bestOfN(reference(), PROMPT, { ...options, lambda: 1 });
      const limit = await ets(reference(), PROMPT, { ...options, steps: 1, lambda: 1e-9 });
      const warm = await ets(reference(), PROMPT, { ...options, steps: 1, lambda: 1 });
      if (best.tokens.join() === limit.tokens.join()) same++;
      if (best.tokens.join() === warm.tokens.join()) sameAtOnce++;
    }
    note("Best-of-n is I = 1, λ → 0", "200 seeds", `${same} equal (twin, λ = 1: ${sameAtOnce})`);
    expect(same).toBe(200);
    expect(sameAtOnce).toBeLessThan(200);
  });
});

test("PSIS: k̂ recovers the shape of a generalised Pareto distribution", () => {
  for (const shape of [-0.2, 0.1, 0.3, 0.5, 0.7, 1]) {
    const fits = Array.from({ length: 200 }, (_, i) => {
      const sorted = paretoSample(1000, shape, `${shape}/${i}`).sort((a, b) => a - b);
      return fitGeneralisedPareto(sorted).shape;
    });
    const mean = fits.reduce((a, b) => a + b, 0) / fits.length;
    // The prior pulls by ten observations of .5 in a thousand.
    const expected = (1000 * shape + 5) / 1010;
    note(
      "Pareto k̂",
      `shape ${shape}, 200 samples of 1000`,
      `mean ${mean.toFixed(3)} ± ${standardError(fits).toFixed(3)}`,
    );
    expect(Math.abs(mean - expected)).toBeLessThan(0.02);
  }
});

function drawFrequencies(counts: readonly number[], exact: readonly number[]): void {
  const total = counts.reduce((a, b) => a + b, 0);
  const low = Math.min(...exact);
  const high = Math.max(...exact);
  const against = (title: string, xLabel: string, expected: readonly number[]): Panel => ({
    title,
    xLabel,
    yLabel: "frequency",
    series: [
      {
        name: "equal",
        color: COLORS.other,
        kind: "diagonal",
        points: [
          [low, low],
          [high, high],
        ],
      },
      {
        name: "a text",
        color: COLORS.is,
        kind: "dots",
        points: counts.map((count, i) => [expected[i] as number, count / total]),
      },
    ],
  });
  const svg = draw(`ETS-IS: texts of ${total} runs, M = ${M}, K = 1`, [
    against("Against the exact law", "exact probability", exact),
    against("Against a wrong one: no ratio", "its probability", law.runLaw(policy, "no ratio", M)),
  ]);
  writeFileSync(`${figures}frequencies.svg`, svg);
}

/** For K = 1, over the candidates that p_ref draws. */
function exactRelativeRmse(estimator: law.Estimator): number {
  const open = policy.root.children.filter(({ children }) => children.length > 0);
  const total = open.reduce((s, { p }) => s + p, 0);
  const square = open.reduce((s, child) => {
    const exact = law.energy(policy, child);
    const outcomes = law.estimates(policy, child, estimator);
    const variance = outcomes.reduce((v, o) => v + o.probability * (o.value / exact - 1) ** 2, 0);
    return s + (child.p / total) * variance;
  }, 0);
  return Math.sqrt(square);
}

function standardError(values: readonly number[]): number {
  const n = values.length;
  const mean = values.reduce((a, b) => a + b, 0) / n;
  return Math.sqrt(values.reduce((s, x) => s + (x - mean) ** 2, 0) / (n - 1) / n);
}

function plusMinus(point: { tv: number; error: number } | undefined, digits = 4): string {
  return `${point?.tv.toFixed(digits)} ± ${point?.error.toFixed(digits)}`;
}

function exp(x: number): string {
  return x.toExponential(1);
}
