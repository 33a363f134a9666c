/** Instruct models as judges: their log-odds are the model's own, whoever asks. */
import { describe, expect, test } from "vitest";
import type { Model } from "../../src/engine/engine.js";
import { loadModel } from "../../src/engine/local/load-model.js";
import { particle } from "../../src/methods/particle.js";
import { judge, pairwiseJudge } from "../../src/rewards/instruct-judge.js";
import { openReward } from "../../src/rewards/named.js";
import { completion, scoreOf } from "../fixtures/completions.js";
import { QUESTION, useModel } from "../fixtures/models.js";

const model = useModel();
const template = ({ text }: { text: string }) => `How good is ${text}?`;

/** log p(first) - log p(second) after the question. */
async function oddsOf(of: Model, question: string, answers = ["Yes", "No"]): Promise<number> {
  const scores = await of.score(
    question,
    answers.map((answer) => of.tokenize(answer)),
  );
  const [first = 0, second = 0] = scores.map((s) => s.rawLogProbs.reduce((a, b) => a + b, 0));
  return first - second;
}

describe("a judge", () => {
  test("gives the model's log-odds of its answers", async () => {
    const scores = await scoreOf(judge(model(), { template }), ["12", "71"]);
    for (const [i, text] of ["12", "71"].entries()) {
      expect(scores[i]).toBeCloseTo(await oddsOf(model(), `How good is ${text}?`), 6);
    }
    const answers = ["good", "bad"] as const;
    const [other] = await scoreOf(judge(model(), { template, answers }), ["12"]);
    expect(other).toBeCloseTo(await oddsOf(model(), "How good is 12?", [...answers]), 6);
  });

  test("is told the prompt without its template, and whether the text has ended", async () => {
    const asked: object[] = [];
    const spy = judge(model(), {
      template: (about) => {
        asked.push(about);
        return "Is it?";
      },
    });
    const { text: prompt } = await model().encodePrompt(QUESTION);
    const pool = [completion("a"), completion("b", { finishReason: null })];
    await spy.score({ prompt, pool, earlier: [] });
    expect(asked).toEqual([
      { prompt: expect.stringContaining(QUESTION), text: "a", isFinished: true },
      { prompt: expect.not.stringMatching(/<\|/), text: "b", isFinished: false },
    ]);
  });

  test("judges unfinished texts for particle, from the command line's name", async () => {
    await using opened = await openReward("judge:mini-gsm-proposal", {
      loadModel: (source) => loadModel(source, { gpu: false }),
    });
    const options = { candidates: 3, blockTokens: 8, maxTokens: 24, temperature: 1.2, lambda: 1 };
    const result = await particle(model(), QUESTION, { ...options, potential: opened.reward });
    expect(result.settings).toMatchObject({ potential: "judge:mini-gsm-proposal", rollouts: 0 });
    const judged = result.steps.flatMap((step) =>
      step.candidates.flatMap((c) => c.potential ?? []),
    );
    expect(judged.length).toBeGreaterThan(0);
    expect(judged.every(Number.isFinite)).toBe(true);
  });
});

describe("a pairwise judge", () => {
  const ask = ({ a, b }: { a: string; b: string }) => `Is ${a} or ${b} better?`;

  test("is the mean log-odds over opponents, in both orders", async () => {
    const texts = ["12", "71", "5"];
    const scores = await scoreOf(pairwiseJudge(model(), { template: ask }), texts);
    const odds = async (a = "", b = "") => oddsOf(model(), ask({ a, b }), ["A", "B"]);
    const preference = async (a = "", b = "") => ((await odds(a, b)) - (await odds(b, a))) / 2;
    const [ab, bc, ca] = [
      await preference(texts[0], texts[1]),
      await preference(texts[1], texts[2]),
      await preference(texts[2], texts[0]),
    ] as [number, number, number];
    const expected = [(ab - ca) / 2, (bc - ab) / 2, (ca - bc) / 2];
    for (const [i, score] of scores.entries()) expect(score).toBeCloseTo(expected[i] as number, 6);
    expect(scores.reduce((a, b) => a + b, 0)).toBeCloseTo(0, 9);
  });

  test("asks no pair twice, and none of equals or of one text", async () => {
    let asked = 0;
    const counting = (opponents: number) =>
      pairwiseJudge(model(), {
        opponents,
        template: (about) => {
          asked++;
          return ask(about);
        },
      });
    const countFor = async (texts: string[], opponents: number) => {
      asked = 0;
      await scoreOf(counting(opponents), texts);
      return asked;
    };
    expect(await countFor(["1", "2", "3", "4"], 1)).toBe(2 * 4);
    expect(await countFor(["1", "2", "3", "4"], 9)).toBe(2 * 6);
    expect(await countFor(["1", "2"], 2)).toBe(2);
    expect(await countFor(["1", "1"], 2)).toBe(0);
    expect(await scoreOf(counting(2), ["1"])).toEqual([0]);
    expect(await scoreOf(counting(2), [])).toEqual([]);
  });
});

test.each([
  ["answers that are equal", { answers: ["Yes", "Yes"] }],
  ["an empty answer", { answers: ["Yes", ""] }],
  ["one answer", { answers: ["Yes"] }],
  ["a template that is none", { template: "good?" }],
  ["an unknown option", { answer: ["Yes", "No"] }],
])("judges refuse %s", (_, options) => {
  for (const make of [judge, pairwiseJudge]) {
    expect(() => make(model(), options as object)).toThrowError(
      expect.objectContaining({ code: "ERR_INVALID_OPTION" }),
    );
  }
});

test("a pairwise judge refuses a number of opponents that is none", () => {
  expect(() => pairwiseJudge(model(), { opponents: 0 })).toThrow(/opponents/);
});
