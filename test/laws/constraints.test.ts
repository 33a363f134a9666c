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
import { beam } from "../../src/methods/beam.js";
import { ets } from "../../src/methods/ets.js";
import { majority } from "../../src/methods/majority.js";
import { mh } from "../../src/methods/mh.js";
import { particle } from "../../src/methods/particle.js";
import { power } from "../../src/methods/power.js";
import type { Result } from "../../src/methods/result.js";
import { sample } from "../../src/methods/sample.js";
import type { Step } from "../../src/methods/step.js";
import type { Completion } from "../../src/rewards/reward.js";
import { selfConsistency } from "../../src/rewards/self-consistency.js";
import { chiSquarePValue, meanZ } from "../fixtures/statistics.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable, type Table } from "../fixtures/table-engine/tables.js";
import { CHARACTERS, MASK } from "../fixtures/table-engine/vocabulary.js";
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

describe("where a constraint leads to dead ends", () => {
  const choices = ["150", "170", "550", "570", "70"];
  const idOf = (character: string) => model.tokenize(character)[0] as number;
  const end = model.info.eos as number;
  const start = model.tokenize(PROMPT).length;
  /** Logits of these characters alone, and of the end (""); others are hardly ever drawn. */
  const likely = (logits: Record<string, number>) => {
    const row = CHARACTERS.map((_, token) => (token === MASK ? Number.NEGATIVE_INFINITY : -20));
    for (const [character, logit] of Object.entries(logits)) {
      row[character === "" ? end : idOf(character)] = logit;
    }
    return row;
  };
  /** After "7", "17" and "55" nothing that is allowed is among the three likeliest tokens. */
  const deadEnds: Table = (context) => {
    const text = context.slice(start).map((token) => CHARACTERS[token]);
    if (text.length === 0) return likely({ 1: 0, 5: 0, 7: 1 });
    if (["7", "17", "55"].includes(text.join(""))) return likely({ a: 1, b: 0, c: 0 });
    if (text.length === 1) return likely({ 5: 0, 7: text[0] === "1" ? 2 : 0, a: 0 });
    return likely(text.length === 2 ? { 0: 0, a: 0, b: 0 } : { "": 1, a: 0, b: 0 });
  };
  const leading = new TableModel(deadEnds);
  const rewardOf = ({ text }: Pick<Completion, "text">) => (text.startsWith("1") ? 1 : 0);
  const options = {
    temperature: 1,
    topK: 3,
    raw: true,
    constraint: { choices },
    maxTokens: 5,
  } as const;
  const guided = {
    ...options,
    reward: rewardOf,
    lambda: LAMBDA,
    rollouts: 1,
    blockTokens: 1,
  } as const;

  async function outcomeOf(run: Promise<Result>): Promise<Result | null> {
    return await run.catch((error: unknown) => {
      if (codeOf(error) !== "ERR_CONSTRAINT_DEAD") throw error;
      return null;
    });
  }

  test("particle goes on from texts whose rollouts all died", async () => {
    let died = 0;
    for (let seed = 0; seed < 8; seed++) {
      const result = await outcomeOf(particle(leading, PROMPT, { ...guided, candidates: 3, seed }));
      if (result === null) died++;
      else expect(choices).toContain(result.text);
    }
    expect(died).toBeLessThan(8);
  });

  test("beam, mh and power say that nothing lives, also before the first token", async () => {
    for (const choice of ["b", "1b"]) {
      const none = { ...options, constraint: { choices: [choice] }, candidates: 2 };
      expect(await outcomeOf(beam(leading, PROMPT, none))).toBeNull();
      const dead = { ...none, moves: 3 };
      for (const cuts of ["entropy", "uniform"] as const) {
        expect(await outcomeOf(power(leading, PROMPT, { ...dead, cuts }))).toBeNull();
        expect(
          await outcomeOf(mh(leading, PROMPT, { ...dead, cuts, reward: rewardOf })),
        ).toBeNull();
      }
    }
  });

  test.runIf(IS_STUDY)("particle's Ẑ keeps what texts come to whose rollouts died", async () => {
    const { raw: _raw, maxTokens: _maxTokens, ...sampling } = options;
    const texts = choices.map((text) => [...leading.tokenize(text), end]);
    const scores = await leading.score(PROMPT, texts, sampling, { raw: true });
    const exact = scores.reduce((sum, { logProbs }, i) => {
      const logReference = logProbs.reduce((a, b) => a + b, 0);
      return sum + Math.exp(logReference + rewardOf({ text: choices[i] as string }) / LAMBDA);
    }, 0);
    const estimates: number[] = [];
    const lossy: number[] = []; // where such texts weigh nothing
    for (let seed = 0; seed < 600; seed++) {
      const result = await outcomeOf(particle(leading, PROMPT, { ...guided, candidates: 6, seed }));
      const estimate = result === null ? 0 : Math.exp(result.logNormaliser as number);
      estimates.push(estimate);
      const [first, last] = [result?.steps[0], result?.steps.at(-1)];
      const died = first?.candidates.filter(
        (_, m) => first.logEnergies[m] === Number.NEGATIVE_INFINITY,
      );
      const lost = last?.candidates.reduce((sum, { tokens }, m) => {
        const isLost = died?.some((candidate) => candidate.tokens[0] === tokens[0]);
        return sum + (isLost ? (last.weights[m] as number) : 0);
      }, 0);
      lossy.push(estimate * (1 - (lost ?? 0)));
    }
    expect(Math.abs(meanZ(estimates, exact))).toBeLessThan(MAX_Z);
    expect(Math.abs(meanZ(lossy, exact))).toBeGreaterThan(MAX_Z);
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
