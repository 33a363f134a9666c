/** Draws of the library, and what is counted and averaged of them. */
import type { Model } from "../../src/engine/engine.js";
import { ets } from "../../src/methods/ets.js";
import type { MethodOptions } from "../../src/methods/registry.js";
import type { Result } from "../../src/methods/result.js";
import type { Step } from "../../src/methods/step.js";
import { chiSquarePValue, meanPValue, meanZ } from "../fixtures/statistics.js";
import { type EnumeratedPolicy, PROMPT, TEMPERATURE } from "./enumerated-policy.js";
import { energy } from "./exact-law.js";

/** What of the options a study varies; seeds count up from `firstSeed`. */
export type Varied = Pick<
  MethodOptions,
  | ("candidates" | "rollouts" | "lambda" | "weights" | "mixture" | "proposal" | "finish")
  | "resampleEvery"
> & { runs: number; firstSeed?: number; shareDuplicates?: boolean; proposalTemperature?: number };

function optionsOf(policy: EnumeratedPolicy, varied: Varied, seed: number): MethodOptions {
  const { runs: _, firstSeed: __, shareDuplicates = false, ...rest } = varied;
  const { proposalTemperature = TEMPERATURE.proposal, ...options } = rest;
  return {
    ...policy.options,
    ...options,
    ...(options.proposal && { proposalSampling: { temperature: proposalTemperature } }),
    shortcuts: { duplicates: shareDuplicates, decided: false },
    seed,
  };
}

export async function runs(
  model: Model,
  policy: EnumeratedPolicy,
  varied: Varied,
): Promise<Result[]> {
  const results: Result[] = [];
  for (let i = 0; i < varied.runs; i++) {
    const seed = (varied.firstSeed ?? 0) + i;
    results.push(await ets(model, PROMPT, optionsOf(policy, varied, seed)));
  }
  return results;
}

/** First steps alone: each run is cancelled after it. */
export async function firstSteps(
  model: Model,
  policy: EnumeratedPolicy,
  varied: Varied,
): Promise<Step[]> {
  const steps: Step[] = [];
  for (let i = 0; i < varied.runs; i++) {
    const cancel = new AbortController();
    const options = optionsOf(policy, varied, (varied.firstSeed ?? 0) + i);
    const onStep = (step: Step) => {
      steps.push(step);
      cancel.abort();
    };
    await ets(model, PROMPT, { ...options, signal: cancel.signal, onStep }).catch((error) => {
      if (!cancel.signal.aborted) throw error;
    });
  }
  return steps;
}

/** How often each text is drawn. */
export function countTexts(
  policy: EnumeratedPolicy,
  results: readonly Pick<Result, "tokens">[],
): number[] {
  const counts = policy.texts.map(() => 0);
  for (const { tokens } of results) {
    const i = policy.textIndex(tokens);
    counts[i] = (counts[i] as number) + 1;
  }
  return counts;
}

/** How often each text is the last of a Markov chain. */
export function countLast(
  policy: EnumeratedPolicy,
  results: readonly Pick<Result, "steps">[],
): number[] {
  return countTexts(
    policy,
    results.flatMap(({ steps }) => steps.at(-1)?.candidates ?? []),
  );
}

export function countFirst(policy: EnumeratedPolicy, results: readonly Result[]): number[] {
  const counts = policy.tokens.map(() => 0);
  for (const { tokens } of results) {
    const a = policy.tokens.indexOf(tokens[0] as number);
    counts[a] = (counts[a] as number) + 1;
  }
  return counts;
}

/** The estimates Ê of each first token that doesn't end the text. */
export function estimatesByToken(policy: EnumeratedPolicy, steps: readonly Step[]): number[][] {
  const byToken: number[][] = policy.tokens.map(() => []);
  for (const { candidates, logEnergies } of steps) {
    for (const [m, { tokens, finishReason }] of candidates.entries()) {
      if (finishReason !== null) continue;
      const a = policy.tokens.indexOf(tokens[0] as number);
      byToken[a]?.push(Math.exp(logEnergies[m] as number));
    }
  }
  return byToken;
}

/** z of the mean against an expectation; null for too few numbers for a normal mean. */
export function zScore(values: readonly number[], expected: number): number | null {
  return values.length < 200 ? null : meanZ(values, expected);
}

/**
 * The p-value of the weights that first steps put on each of some kinds of candidates, against the
 * law of the choice: less noisy than choices are.
 */
export function pValueOfWeights<Kind>(
  results: readonly Result[],
  kindOf: (candidate: Step["candidates"][number]) => Kind,
  law: readonly (readonly [Kind, number])[],
): number {
  const pValues = law.map(([kind, probability]) => {
    const shares = results.map(({ steps: [step] }) =>
      (step?.weights ?? []).reduce((share, weight, m) => {
        const candidate = step?.candidates[m] as Step["candidates"][number];
        return kindOf(candidate) === kind ? share + weight : share;
      }, 0),
    );
    return meanPValue(shares, probability);
  });
  return Math.min(1, law.length * Math.min(...pValues));
}

/** Root of the mean squared relative error of the energies. */
export function relativeRmse(policy: EnumeratedPolicy, steps: readonly Step[]): number {
  const squares = estimatesByToken(policy, steps).flatMap((values, a) => {
    const child = policy.root.children[a];
    const exact = child ? energy(policy, child) : 1;
    return values.map((x) => (x / exact - 1) ** 2);
  });
  return Math.sqrt(squares.reduce((a, b) => a + b, 0) / squares.length);
}

/** The p-value of counts against a law, 0 where a text came up that the law excludes. */
export function pValue(counts: readonly number[], law: readonly number[]): number {
  return chiSquarePValue(counts, law);
}

/**
 * The law of the text by the weights the library chose with, which are less noisy than its
 * choices: the mean weight of each first token, times that of each second one after it. The
 * candidates' own frequencies, of which the expectation is known, serve as control variates.
 */
export function lawByWeights(policy: EnumeratedPolicy, results: readonly Result[]): number[] {
  const first = meanWeights(policy, results, 0, () => true);
  return policy.root.children.flatMap((child, a) => {
    const p = first[a] as number;
    if (child.children.length === 0) return [p];
    const isBelow = (r: Result) => r.tokens[0] === policy.tokens[a];
    return meanWeights(policy, results, 1, isBelow).map((q) => p * q);
  });
}

function meanWeights(
  policy: EnumeratedPolicy,
  results: readonly Result[],
  depth: 0 | 1,
  isCounted: (result: Result) => boolean,
): number[] {
  const counted = results.filter(isCounted);
  if (counted.length === 0) return policy.tokens.map(() => 0);
  const parent =
    depth === 0
      ? policy.root
      : policy.root.children[policy.tokens.indexOf(counted[0]?.tokens[0] as number)];
  return policy.tokens.map((token, b) => {
    const expected = parent?.children[b]?.p as number;
    const pairs = counted.map((result) => {
      const { candidates, weights } = result.steps[depth] as Step;
      const is = (m: number) => candidates[m]?.tokens[depth] === token;
      return {
        weight: weights.reduce((s, w, m) => s + (is(m) ? w : 0), 0),
        share: candidates.filter((_, m) => is(m)).length / candidates.length,
      };
    });
    const n = pairs.length;
    const weight = pairs.reduce((s, x) => s + x.weight, 0) / n;
    const share = pairs.reduce((s, x) => s + x.share, 0) / n;
    const variance = pairs.reduce((s, x) => s + (x.share - share) ** 2, 0);
    const covariance = pairs.reduce((s, x) => s + (x.share - share) * (x.weight - weight), 0);
    return weight - (variance > 0 ? covariance / variance : 0) * (share - expected);
  });
}

/**
 * The distance to the target along the exact law's side of it, Σ sign(law - target) (f - target) / 2:
 * its expectation is the TV distance, where the plain one's is that plus a noise floor.
 */
export function projectedDistance(
  frequencies: readonly number[],
  law: readonly number[],
  target: readonly number[],
): number {
  return frequencies.reduce((s, f, i) => {
    const t = target[i] as number;
    return s + (Math.sign((law[i] as number) - t) * (f - t)) / 2;
  }, 0);
}

/** The slope of log y in log x, by least squares; `errors` (relative) weigh the points. */
export function logSlope(
  xs: readonly number[],
  ys: readonly number[],
  errors: readonly number[] = xs.map(() => 1),
): { slope: number; error: number } {
  const weights = errors.map((e) => 1 / e ** 2);
  const total = weights.reduce((a, b) => a + b, 0);
  const average = (values: readonly number[]) =>
    values.reduce((s, x, i) => s + x * (weights[i] as number), 0) / total;
  const [logX, logY] = [xs.map(Math.log), ys.map(Math.log)];
  const [x0, y0] = [average(logX), average(logY)];
  const spread = logX.reduce((s, x, i) => s + (weights[i] as number) * (x - x0) ** 2, 0);
  const slope =
    logX.reduce(
      (s, x, i) => s + (weights[i] as number) * (x - x0) * ((logY[i] as number) - y0),
      0,
    ) / spread;
  return { slope, error: 1 / Math.sqrt(spread) };
}
