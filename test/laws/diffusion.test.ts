/**
 * The chain of a diffusion model has the law that its conditionals say, and ETS on it the exact law
 * of ETS: three positions and three tokens, all enumerated. `npm test` draws from a table,
 * `npm run test:study` from the bundled model.
 *
 * False alarms: each χ² and z test fails a right library with probability `FALSE_ALARM` over seeds,
 * which are fixed. Each has twins: wrong laws, which the same draws must refuse; by the z test in their
 * own direction, where χ² would need four times the draws to do so at any seed.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { beam } from "../../src/methods/beam.js";
import { ets } from "../../src/methods/ets.js";
import { majority } from "../../src/methods/majority.js";
import { mh } from "../../src/methods/mh.js";
import type { MethodOptions } from "../../src/methods/registry.js";
import type { Result } from "../../src/methods/result.js";
import { sample } from "../../src/methods/sample.js";
import type { Step } from "../../src/methods/step.js";
import { chiSquarePValue, scoreZ } from "../fixtures/statistics.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable } from "../fixtures/table-engine/tables.js";
import {
  type DiffusionPolicy,
  enumerateDiffusion,
  PROMPT,
  TEMPERATURE,
} from "../study/diffusion-policy.js";
import { zScore } from "../study/draws.js";
import * as diffusion from "../study/enumerated-diffusion.js";
import { choiceLaw, type Outcome } from "../study/exact-law.js";
import { IS_STUDY } from "../study/form.js";
import { FALSE_ALARM, MAX_Z, useLawModel } from "./law-model.js";

const START = [diffusion.MASK, diffusion.MASK, diffusion.MASK];
const M = 12;
const REMASKING = ["random", "low-confidence"] as const;
const table = new TableModel(hashedTable(3), { kind: "diffusion" });
const model = useLawModel(table, "mini-gsm-llada");

function pValue(counts: ReadonlyMap<string, number>, law: ReadonlyMap<string, number>): number {
  const keys = [...law.keys()];
  expect(keys).toEqual(expect.arrayContaining([...counts.keys()]));
  return chiSquarePValue(
    keys.map((key) => counts.get(key) ?? 0),
    keys.map((key) => law.get(key) as number),
  );
}

type Law = ReadonlyMap<string, number>;

/** The counts are of this law, also in the rivals' directions, in which they refuse each rival. */
function expectLaw(counts: Law, law: Law, rivals: readonly Law[]): void {
  expect(pValue(counts, law)).toBeGreaterThan(FALSE_ALARM);
  const keys = [...law.keys()];
  const [own, drawn] = [law, counts].map((of) => keys.map((key) => of.get(key) ?? 0));
  for (const rival of rivals) {
    const other = keys.map((key) => rival.get(key) as number);
    const scores = (own as number[]).map((p, i) => Math.log(p / (other[i] as number)));
    const z = (of: number[]) => Math.abs(scoreZ(drawn as number[], of, scores));
    expect(z(own as number[])).toBeLessThan(MAX_Z);
    expect(z(other)).toBeGreaterThan(MAX_Z);
  }
}

async function countTexts(
  policy: DiffusionPolicy,
  runs: number,
  draw: (seed: number) => Promise<Result>,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  for (let seed = 0; seed < runs; seed++) {
    const key = policy.keyOf((await draw(seed)).tokens);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

const guided = (policy: DiffusionPolicy, options: MethodOptions) =>
  ets(model(), PROMPT, { ...policy.options, ...options });

describe.each(REMASKING)("with %s remasking", (remasking) => {
  let policy: DiffusionPolicy;
  beforeAll(async () => {
    policy = await enumerateDiffusion(model(), remasking);
  });
  const lawOf = (estimatesOf: diffusion.EstimatesOf) =>
    diffusion.runLaw(policy, (items) => choiceLaw(items, M), estimatesOf);
  const referenceLaw = () =>
    new Map(diffusion.textsFrom(policy, START).map((r) => [r.canvas.join(), r.probability]));

  test("Proposition 2: p_ref(x_s | x_t) E(x_s) is the marginal of p_ref exp(r/λ)", () => {
    const marginal = new Map<string, number>();
    for (const path of diffusion.pathsFrom(policy, START)) {
      const next = path.moves[0]?.to ?? [];
      const key = (diffusion.textOf(next, policy.end) ?? next).join();
      const weight = path.probability * diffusion.boltzmann(policy, path.text);
      marginal.set(key, (marginal.get(key) ?? 0) + weight);
    }
    const states = diffusion.kernel(policy, START, 1);
    expect(states).toHaveLength(marginal.size);
    for (const { canvas, probability } of states) {
      const byEnergy = probability * diffusion.energy(policy, canvas);
      expect(byEnergy).toBeCloseTo(marginal.get(canvas.join()) as number, 12);
    }
  });

  test("texts are sampled from the law of the chain", async () => {
    const { reward: _, shortcuts: __, lambda: ___, rollouts: ____, ...options } = policy.options;
    const counts = await countTexts(policy, 300, (seed) =>
      sample(model(), PROMPT, { ...options, seed }),
    );
    expect(pValue(counts, referenceLaw())).toBeGreaterThan(FALSE_ALARM);
    expect(pValue(counts, diffusion.targetLaw(policy))).toBeLessThan(FALSE_ALARM);
  });

  test("ETS ends in texts with the frequencies of its exact law, not of wrong samplers'", async () => {
    const counts = await countTexts(policy, 180, (seed) => guided(policy, { candidates: M, seed }));
    const estimates = (canvas: diffusion.Canvas) => diffusion.estimates(policy, canvas);
    const squared = (canvas: diffusion.Canvas): Outcome[] =>
      estimates(canvas).map((o) => ({ ...o, value: o.value ** 2 }));
    expectLaw(counts, lawOf(estimates), [referenceLaw(), lawOf(squared)]);
  });

  test("mh ends in texts with the frequencies of p_ref exp(r/λ), not of wrong moves'", async () => {
    const counts = new Map<string, number>();
    for (let seed = 0; seed < (remasking === "random" || !IS_STUDY ? 6 : 30); seed++) {
      const own = { candidates: 100, moves: 25, seed };
      const { steps } = await mh(model(), PROMPT, { ...policy.options, ...own });
      for (const { tokens } of steps.at(-1)?.candidates ?? []) {
        const key = policy.keyOf(tokens);
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    }
    // Moves that are always accepted, and such as only go back to before the last step.
    const late = new Map<string, number>();
    for (const before of diffusion.kernel(policy, START, 2)) {
      const energy = diffusion.energy(policy, before.canvas);
      for (const { canvas, probability } of diffusion.textsFrom(policy, before.canvas)) {
        const share = (probability * diffusion.boltzmann(policy, canvas)) / energy;
        late.set(canvas.join(), (late.get(canvas.join()) ?? 0) + before.probability * share);
      }
    }
    expectLaw(counts, diffusion.targetLaw(policy), [referenceLaw(), late]);
  });
});

/** A finished text, log p of what was unmasked on the way, and how many tokens these were. */
interface Trajectory {
  text: diffusion.Canvas;
  logProb: number;
  length: number;
}

/** Every text that a search may end in: `confidenceOf` a position chooses where a step unmasks. */
function trajectories(
  policy: DiffusionPolicy,
  confidenceOf: (canvas: diffusion.Canvas, position: number) => number,
): Trajectory[] {
  const visit = (canvas: diffusion.Canvas, logProb: number, length: number): Trajectory[] => {
    const text = diffusion.textOf(canvas, policy.end);
    if (text !== null) return [{ text, logProb, length }];
    const open = canvas.flatMap((token, at) => (token === diffusion.MASK ? [at] : []));
    const confidences = open.map((at) => confidenceOf(canvas, at));
    const position = open[confidences.indexOf(Math.max(...confidences))] as number;
    const probabilities = policy.predict(canvas).probabilities[position] as readonly number[];
    return probabilities.flatMap((p, token) =>
      visit(canvas.with(position, token), logProb + Math.log(p), length + 1),
    );
  };
  return visit(START, 0, 0);
}

describe("beam search", () => {
  let policy: DiffusionPolicy;
  beforeAll(async () => {
    policy = await enumerateDiffusion(model(), "low-confidence");
  });

  test.each([0, 1, 3])(
    "as wide as there are texts is exhaustive, with penalty %d",
    async (lengthPenalty) => {
      const { reward: _, lambda: __, shortcuts: ___, rollouts: ____, ...options } = policy.options;
      const own = { ...options, candidates: 64, lengthPenalty };
      const { steps, tokens } = await beam(model(), PROMPT, own);
      const ranked = (confidenceOf: Parameters<typeof trajectories>[1]) =>
        trajectories(policy, confidenceOf)
          .map(({ text, logProb, length }) => ({
            key: text.join(),
            score: logProb / length ** lengthPenalty,
          }))
          .sort((a, b) => b.score - a.score);
      const expected = ranked((canvas, position) => {
        const { confidences, probabilities } = policy.predict(canvas);
        const own = probabilities[position] as readonly number[];
        return confidences[position]?.[own.indexOf(Math.max(...own))] as number;
      });
      const { candidates, logEnergies } = steps.at(-1) as Result["steps"][number];
      expect(candidates.length).toBeGreaterThan(10);
      expect(candidates).toHaveLength(expected.length);
      const largestGap = (scores: readonly { score: number }[]) =>
        Math.max(...scores.map(({ score }, i) => Math.abs(score - (logEnergies[i] as number))));
      expect(largestGap(expected)).toBeLessThan(1e-3);
      expect(policy.keyOf(tokens)).toBe(expected[0]?.key);
      expect(new Set(candidates.map((one) => policy.keyOf(one.tokens)))).toEqual(
        new Set(expected.map(({ key }) => key)),
      );
      // The twin: texts that are unmasked from left to right have other probabilities.
      const leftToRight = ranked((_, position) => -position);
      expect(leftToRight.length !== expected.length || largestGap(leftToRight) > 1e-2).toBe(true);
    },
  );
});

/** How a rollout of the proposal is weighed; by the tokens it unmasked, in the last two cases. */
type Ratio = "kernels" | "none" | "tokens" | "tokens, candidate too" | "one pass";

/** The estimates of a state's energy from one rollout of the proposal. */
function weighted(policy: DiffusionPolicy, from: diffusion.Canvas, ratio: Ratio): Outcome[] {
  const tokenRatio = (before: diffusion.Canvas, position: number, token: number) => {
    const p = policy.predict(before).probabilities[position]?.[token] as number;
    return p / (policy.predictProposal(before).probabilities[position]?.[token] as number);
  };
  const own = from.findIndex((token) => token !== diffusion.MASK);
  const ofCandidate = tokenRatio(START, own, from[own] as number);
  return diffusion.pathsFrom(policy, from, policy.proposalMoves).map((path) => {
    const steps = path.moves.map((move, i) => ({ move, before: path.from[i] as diffusion.Canvas }));
    const product = (factor: (step: (typeof steps)[number]) => number) =>
      steps.reduce((all, step) => all * factor(step), 1);
    const tokens = product(({ move, before }) => tokenRatio(before, move.position, move.token));
    const kernels = product(({ move, before }) => {
      const isMove = ({ to }: diffusion.Move) => to.join() === move.to.join();
      return (policy.moves(before).find(isMove)?.probability as number) / move.probability;
    });
    const finished = steps.at(-1)?.move.to ?? from;
    const onePass = product(({ move }) => tokenRatio(finished, move.position, move.token));
    const weight = {
      kernels,
      tokens,
      none: 1,
      "one pass": onePass,
      "tokens, candidate too": tokens * ofCandidate,
    }[ratio];
    return {
      value: weight * diffusion.boltzmann(policy, path.text),
      probability: path.probability,
    };
  });
}

const mean = (outcomes: readonly Outcome[]) =>
  outcomes.reduce((sum, { value, probability }) => sum + value * probability, 0);

describe("the energies of ETS-IS", () => {
  /** Estimates of the first step's unfinished candidates, by their texts. */
  async function drawEnergies(
    policy: DiffusionPolicy,
    options: MethodOptions = {},
  ): Promise<Map<string, number[]>> {
    const energies = new Map<string, number[]>();
    for (let seed = 0; seed < 6; seed++) {
      const cancel = new AbortController();
      const run = guided(policy, {
        candidates: 1200,
        seed,
        proposal: model(),
        signal: cancel.signal,
        proposalSampling: { temperature: TEMPERATURE.proposal },
        proposalDiffusion: { cache: "none" },
        ...options,
        onStep({ candidates, logEnergies }) {
          for (const [m, { tokens, finishReason }] of candidates.entries()) {
            if (finishReason !== null) continue;
            const key = policy.keyOf(tokens);
            energies.set(key, [...(energies.get(key) ?? []), Math.exp(logEnergies[m] as number)]);
          }
          cancel.abort();
        },
      });
      await run.catch((error) => {
        if (!cancel.signal.aborted) throw error;
      });
    }
    return energies;
  }

  /** The largest |z| of the mean estimates against what they should be, of those drawn often. */
  function largestZ(
    drawn: ReadonlyMap<string, readonly number[]>,
    expected: (canvas: diffusion.Canvas) => number,
  ): number {
    const zs = [...drawn].map(([key, values]) =>
      zScore(values, expected(key.split(",").map(Number))),
    );
    const known = zs.filter((z) => z !== null);
    expect(known.length).toBeGreaterThan(1);
    return Math.max(...known.map(Math.abs));
  }

  /** z over all states in the direction from what is right to what is wrong. */
  function directedZ(
    drawn: ReadonlyMap<string, readonly number[]>,
    expected: (canvas: diffusion.Canvas) => number,
    [right, wrong]: readonly ((canvas: diffusion.Canvas) => number)[],
  ): number {
    let [sum, squares] = [0, 0];
    for (const [key, values] of drawn) {
      const canvas = key.split(",").map(Number);
      const z = zScore(values, expected(canvas));
      const [a, b] = [right, wrong].map((of) => zScore(values, of?.(canvas) as number));
      if (z === null || a === null || b === null) continue;
      sum += ((a as number) - (b as number)) * z;
      squares += ((a as number) - (b as number)) ** 2;
    }
    return Math.abs(sum / Math.sqrt(squares));
  }

  test("are unbiased under random remasking, those of wrong ratios are not", async () => {
    // Far enough from the reference for wrong ratios to show, near enough for normal means.
    const temperature = IS_STUDY ? 2.5 : TEMPERATURE.proposal;
    const policy = await enumerateDiffusion(model(), "random", temperature);
    const drawn = await drawEnergies(policy, { proposalSampling: { temperature } });
    const right = (canvas: diffusion.Canvas) => diffusion.energy(policy, canvas);
    expect(largestZ(drawn, right)).toBeLessThan(MAX_Z);
    for (const ratio of ["none", "tokens, candidate too"] as const) {
      const wrong = (canvas: diffusion.Canvas) => mean(weighted(policy, canvas, ratio));
      expect(directedZ(drawn, right, [right, wrong])).toBeLessThan(MAX_Z);
      expect(directedZ(drawn, wrong, [right, wrong])).toBeGreaterThan(MAX_Z);
    }
  });

  test("are biased under the one-pass ratio, as its law says", async () => {
    const policy = await enumerateDiffusion(model(), "random");
    const drawn = await drawEnergies(policy, { ratio: "one-pass", candidates: 300 });
    const expectation = (ratio: Ratio) => (canvas: diffusion.Canvas) =>
      mean(weighted(policy, canvas, ratio));
    expect(largestZ(drawn, expectation("one pass"))).toBeLessThan(MAX_Z);
    expect(largestZ(drawn, expectation("tokens"))).toBeGreaterThan(MAX_Z);
    expect(largestZ(drawn, expectation("none"))).toBeGreaterThan(MAX_Z);
  });

  test("are biased under low-confidence remasking, as its approximate ratio is", async () => {
    const policy = await enumerateDiffusion(model(), "low-confidence");
    const drawn = await drawEnergies(policy);
    const tokens = (canvas: diffusion.Canvas) => mean(weighted(policy, canvas, "tokens"));
    expect(largestZ(drawn, tokens)).toBeLessThan(MAX_Z);
    expect(largestZ(drawn, (canvas) => diffusion.energy(policy, canvas))).toBeGreaterThan(MAX_Z);
  });
});

test("texts that take turns with lengths of blocks have each the law of its own", async () => {
  const denoiser = new TableModel(hashedTable(3), { kind: "diffusion" });
  const lengths = [2, 6, 3, 1];
  const textsOf = async (schedule: object, adaptive: MethodOptions["adaptive"] = false) => {
    const extract = (text: string) => text;
    const own = { maxTokens: 6, candidates: 10, seed: 5, raw: true, extract, adaptive };
    const { steps } = await majority(denoiser, PROMPT, { ...own, diffusion: schedule });
    return (steps[0] as Step).candidates.map(({ tokens }) => tokens);
  };
  const byLength = await Promise.all(lengths.map((blockLength) => textsOf({ blockLength })));
  const expected = (turn: (i: number) => number) =>
    Array.from({ length: 10 }, (_, i) => byLength[turn(i)]?.[i]);
  const drawn = await textsOf({ blockLengths: lengths });
  expect(drawn).toEqual(expected((i) => i % 4));
  // Twins: all of one length, and turns that begin anew with each round of draws.
  for (const wrong of [0, 1, 2, 3]) expect(drawn).not.toEqual(expected(() => wrong));
  const rounds = await textsOf({ blockLengths: lengths }, { rule: "unanimous", round: 3 });
  expect(rounds).toEqual(drawn);
  expect(rounds).not.toEqual(expected((i) => (i % 3) % 4));
});
