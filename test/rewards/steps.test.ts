/** Step-wise judges: what they read of a text, and what the steps' scores come to. */
import { describe, expect, test } from "vitest";
import { rewardModel } from "../../src/rewards/reward-model.js";
import { beginningsOf, checkSteps, reduceSteps } from "../../src/rewards/steps.js";
import { completion } from "../fixtures/completions.js";
import { QUESTION, useModel } from "../fixtures/models.js";

describe("the beginnings that are judged", () => {
  const of = (text: string, isFinished: boolean) =>
    beginningsOf({ text, finishReason: isFinished ? "end" : null }, { separator: "\n" });

  test.each<[string, string, boolean, string[][]]>([
    ["end with each step", "a\nb\nc", true, [["a"], ["a", "b"], ["a", "b", "c"]]],
    ["leave an unfinished step out", "a\nb\nc", false, [["a"], ["a", "b"]]],
    ["are none before a step has ended", "a", false, []],
    ["skip empty steps", "\na\n\n \nb\n", true, [["a"], ["a", "b"]]],
    ["of nothing are none", "", true, []],
  ])("%s", (_, text, isFinished, expected) => {
    expect(of(text, isFinished)).toEqual(expected);
  });
});

test.each([
  ["last", 0.9],
  ["min", 0.2],
  ["mean", 0.5],
  ["product", 0.072],
] as const)("reduced by %s", (reduce, expected) => {
  expect(reduceSteps([0.4, 0.2, 0.9], { reduce }, 0.5)).toBeCloseTo(expected, 12);
  expect(reduceSteps([], { reduce }, 0.5)).toBe(0.5);
});

test.each([
  ["no separator", {}],
  ["an empty separator", { separator: "" }],
  ["a reduction that is none", { separator: "\n", reduce: "max" }],
  ["a mark that is none", { separator: "\n", mark: 1 }],
  ["an unknown option", { separator: "\n", marks: "#" }],
])("%s is refused", (_, steps) => {
  expect(() => checkSteps("steps", steps as never)).toThrowError(
    expect.objectContaining({ code: "ERR_INVALID_OPTION" }),
  );
});

describe("a reward model that scores steps", () => {
  const judge = useModel("mini-gsm-verifier");
  const text = "2 * 16 = 32.\n103 - 32 = 71.\n#### 71";
  const whole = (texts: string[], template = {}) =>
    rewardModel(judge(), { template: { after: "", ...template } }).score({
      prompt: QUESTION,
      earlier: [],
      pool: texts.map((one) => completion(one)),
    });
  const stepwise = async (options: object, pool = [completion(text)]) => {
    const reward = rewardModel(judge(), options);
    return reward.score({ prompt: QUESTION, pool, earlier: [] });
  };
  const beginnings = [
    "2 * 16 = 32.\n",
    "2 * 16 = 32.\n103 - 32 = 71.\n",
    "2 * 16 = 32.\n103 - 32 = 71.\n#### 71\n",
  ];

  test("reads its class where each step ends", async () => {
    const scores = await whole(beginnings);
    const steps = { separator: "\n" };
    expect((await stepwise({ steps }))[0]).toBeCloseTo(scores[2] as number, 4);
    const [least] = await stepwise({ steps: { ...steps, reduce: "min" } });
    expect(least).toBeCloseTo(Math.min(...scores), 4);
    const unfinished = completion(text, { finishReason: null });
    expect((await stepwise({ steps }, [unfinished]))[0]).toBeCloseTo(scores[1] as number, 4);
  });

  test("judges a pool at once, and texts without a step by none", async () => {
    const pool = [
      completion("2 *", { finishReason: null }),
      completion(text),
      completion("2 * 16 = 32.", { finishReason: "end" }),
    ];
    const scores = await stepwise({ steps: { separator: "\n" } }, pool);
    const [first, , last] = await whole(beginnings);
    expect(scores[0]).toBe(0.5);
    expect(scores[1]).toBeCloseTo(last as number, 3);
    expect(scores[2]).toBeCloseTo(first as number, 3);
  });

  test("writes its mark as a special token in the place of the separator", async () => {
    const mark = "<|im_end|>";
    const [score] = await stepwise({ steps: { separator: "\n", mark } }, [
      completion("2 * 16 = 32.\n", { finishReason: "end" }),
    ]);
    const [expected] = await whole(["2 * 16 = 32."], { after: mark });
    expect(score).toBeCloseTo(expected as number, 5);
  });
});
