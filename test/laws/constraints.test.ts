/**
 * Both laws of a constraint, on texts that are enumerated: token by token each token's law is that of
 * what is allowed, renormalised; by weights texts have p_ref's own probabilities, and the estimates of
 * `particle` and `ets` are unbiased. Both under temperature, and under truncation, where some texts die.
 *
 * False alarms, over seeds, which are fixed: 1e-6 for each test (|z| < 4.89).
 */
import { beforeAll, describe, expect, test } from "vitest";
import type { Model } from "../../src/engine/engine.js";
import { codeOf } from "../../src/engine/errors.js";
import { ets } from "../../src/methods/ets.js";
import { majority } from "../../src/methods/majority.js";
import { particle } from "../../src/methods/particle.js";
import type { Result } from "../../src/methods/result.js";
import { sample } from "../../src/methods/sample.js";
import type { Step } from "../../src/methods/step.js";
import type { Completion } from "../../src/rewards/reward.js";
import { selfConsistency } from "../../src/rewards/self-consistency.js";
import { chiSquarePValue, meanZ } from "../fixtures/statistics.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable } from "../fixtures/table-engine/tables.js";
import { IS_STUDY } from "../study/form.js";
import { MAX_Z } from "./law-model.js";

const PROMPT = "Noah has 4";
const LAMBDA = 0.5;
const CHOICES = ["15", "17", "51", "55", "75", "71"];
const model = new TableModel(hashedTable(2, 1));
const rewards = new Map(CHOICES.map((text, i) => [text, ((3 * i) % 7) / 10]));
const reward = ({ text }: Pick<Completion, "text">) => rewards.get(text) ?? 0;

const POLICIES = {
  "a temperature": { temperature: 1.5 },
  "a temperature and truncation": { temperature: 1, topK: 85, minP: 0.001 },
};

/** In `npm test` the harder one alone. */
const tried = Object.entries(POLICIES).slice(IS_STUDY ? 0 : 1);

describe.each(tried)("under %s", (_, policy) => {
  const options = { ...policy, raw: true, constraint: { choices: CHOICES }, maxTokens: 4 } as const;
  /** log p_ref of each text with its end, and the log of its masses' product. */
  let texts: { text: string; logReference: number; logMass: number }[];
  beforeAll(async () => {
    const { raw: _raw, maxTokens: _maxTokens, ...sampling } = options;
    const end = model.info.eos as number;
    const tokens = CHOICES.map((text) => [...model.tokenize(text), end]);
    const scores = await model.score(PROMPT, tokens, sampling, { raw: true });
    const total = (values: Float64Array) => values.reduce((a, b) => a + b, 0);
    texts = scores
      .map(({ logProbs, logMasses = new Float64Array() }, i) => ({
        text: CHOICES[i] as string,
        logReference: total(logProbs),
        logMass: total(logMasses),
      }))
      .filter(({ logReference }) => logReference > Number.NEGATIVE_INFINITY);
  });
  const weight = (log: number) => Math.exp(log);
  const masked = () => texts.map(({ logReference, logMass }) => weight(logReference - logMass));
  /** Σ p_ref · exp(r / λ) of the texts that begin with a character, and what ignores the masses. */
  const energyOf = (first: string, ofMasked: boolean) =>
    texts
      .filter(({ text }) => text.startsWith(first))
      .reduce((sum, { text, logReference, logMass }) => {
        const log = ofMasked ? logReference - logMass : logReference;
        return sum + weight(log + reward({ text }) / LAMBDA);
      }, 0);

  test("tokens are drawn from the renormalised law of what is allowed", async () => {
    const runs = IS_STUDY ? 1200 : 600;
    const counts = texts.map(() => 0);
    let dead = 0;
    for (let seed = 0; seed < runs; seed++) {
      const result = await sample(model, PROMPT, { ...options, seed }).catch((error: unknown) => {
        if (codeOf(error) !== "ERR_CONSTRAINT_DEAD") throw error;
        return null;
      });
      if (result === null) {
        dead += 1;
        continue;
      }
      const drawn = texts.findIndex(({ text }) => text === result.text);
      counts[drawn] = (counts[drawn] ?? 0) + 1;
      expect(result.constraintLogMass).toBeCloseTo(texts[drawn]?.logMass as number, 9);
    }
    const withDead = (law: number[]) => [...law, 1 - law.reduce((a, b) => a + b, 0)];
    const pValue = (law: number[]) => {
      const whole = withDead(law).map((p) => Math.max(p, 0));
      const used = whole.flatMap((p, i) => (p > 1e-9 ? [i] : []));
      const all = [...counts, dead];
      return chiSquarePValue(
        used.map((i) => all[i] as number),
        used.map((i) => whole[i] as number),
      );
    };
    expect(pValue(masked())).toBeGreaterThan(1e-6);
    // The law that the weights are for is another one, and refused.
    const conditioned = texts.map(({ logReference }) => weight(logReference));
    const mass = conditioned.reduce((a, b) => a + b, 0);
    const living = 1 - dead / runs;
    expect(pValue(conditioned.map((p) => (living * p) / mass))).toBeLessThan(1e-6);
  });

  /** |z| of the mean of values a run, the largest of all first characters. */
  const largestZ = (runs: { first: string; value: number }[][], ofMasked: boolean) =>
    Math.max(
      ...["1", "5", "7"]
        .filter((first) => energyOf(first, true) > 0)
        .map((first) => {
          const values = runs.map((run) =>
            run.reduce((sum, each) => sum + (each.first === first ? each.value : 0), 0),
          );
          return Math.abs(meanZ(values, energyOf(first, ofMasked)));
        }),
    );

  /** The runs in which a text lived: the others are worth nothing. */
  async function guidedRuns(
    method: (model: Model, prompt: string, options: object) => Promise<Result>,
    valuesOf: (step: Step, logNormaliser: number) => readonly number[],
    at: number,
  ) {
    const guided = { ...options, candidates: 6, blockTokens: 1, lambda: LAMBDA, reward };
    const runs: { first: string; value: number }[][] = [];
    for (let seed = 0; seed < (IS_STUDY ? 250 : 120); seed++) {
      const result = await method(model, PROMPT, { ...guided, seed }).catch((error: unknown) => {
        if (codeOf(error) !== "ERR_CONSTRAINT_DEAD") throw error;
        return null;
      });
      const step = result?.steps.at(at);
      const values = step && valuesOf(step, result?.logNormaliser ?? 0);
      runs.push(
        (step?.candidates ?? []).map(({ text }, i) => {
          return { first: text[0] ?? "", value: values?.[i] ?? 0 };
        }),
      );
    }
    return runs;
  }

  test("particle's weights are unbiased for p_ref given the constraint", async () => {
    const runs = await guidedRuns(
      particle,
      ({ weights }, logNormaliser) => weights.map((share) => weight(logNormaliser) * share),
      -1,
    );
    expect(largestZ(runs, false)).toBeLessThan(MAX_Z);
    expect(largestZ(runs, true)).toBeGreaterThan(MAX_Z);
  });

  test.runIf(IS_STUDY)("ets's energies are unbiased for p_ref given the constraint", async () => {
    const runs = await guidedRuns(
      ets,
      ({ logEnergies }) => logEnergies.map((log) => weight(log) / logEnergies.length),
      0,
    );
    expect(largestZ(runs, false)).toBeLessThan(MAX_Z);
    expect(largestZ(runs, true)).toBeGreaterThan(MAX_Z);
  });
});

test("votes on a field of JSON agree in majority and in ets with self-consistency, named or not", async () => {
  const properties = { n: { enum: [1, 2] }, note: { enum: ["a", "B"] } };
  const json = { type: "object", properties, required: ["n", "note"] };
  const options = { constraint: { json }, candidates: 6, maxTokens: 120, temperature: 2 } as const;
  const given = { ...options, raw: true, voteFields: ["n"], seed: 3 };
  const one = { ...given, steps: 1, rollouts: 1 };
  const results = [
    await majority(model, PROMPT, given),
    await ets(model, PROMPT, one),
    await ets(model, PROMPT, { ...one, reward: selfConsistency() }),
  ];
  for (const { answer, text, steps } of results) {
    const { n } = JSON.parse(text) as { n: number };
    expect(answer).toBe(`{"n":${n}}`);
    for (const { text: drawn, completions } of steps[0]?.candidates ?? []) {
      expect(completions[0]?.answer).toBe(`{"n":${(JSON.parse(drawn) as { n: number }).n}}`);
    }
  }
  const [, plain, named] = results;
  expect(named?.steps[0]?.weights).toEqual(plain?.steps[0]?.weights);
  await expect(majority(model, PROMPT, { ...given, extract: () => "" })).rejects.toThrow(
    /voteFields/,
  );
});
