/** `auto`: the method that it chooses by what tells a good answer, and what it says of the choice. */
import { describe, expect, test } from "vitest";
import { chooseForTask, sharedWithAuto } from "../../src/evaluate/auto-method.js";
import type { EvaluatedMethodOptions } from "../../src/evaluate/configured-methods.js";
import { refuseTwins } from "../../src/evaluate/store/merge-runs.js";
import { auto, chooseMethod } from "../../src/methods/auto.js";
import { plan } from "../../src/methods/plan.js";
import type { MethodOptions } from "../../src/methods/registry.js";
import { selfConsistency } from "../../src/rewards/self-consistency.js";
import { gsm8k } from "../../src/tasks/gsm8k.js";
import { humaneval } from "../../src/tasks/humaneval.js";
import { ifeval } from "../../src/tasks/ifeval.js";
import { miniGsm } from "../../src/tasks/mini-gsm.js";
import { canVote } from "../../src/tasks/task.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable } from "../fixtures/table-engine/tables.js";
import { PROMPT } from "../study/enumerated-policy.js";

const judge = ({ text }: { text: string }) => Number(text.includes("a"));
const extract = (text: string) => text;
const constraint = { words: 4 };

describe("what is known of a good answer decides", () => {
  const cases: [string, MethodOptions, string, MethodOptions][] = [
    ["nothing", {}, "sample", {}],
    ["nothing, one candidate", { candidates: 1 }, "sample", {}],
    ["answers, of long texts", { extract }, "majority", {}],
    ["answers, of short texts", { extract, maxTokens: 100 }, "particle", { alpha: 4 }],
    ["answers, under a constraint", { extract, maxTokens: 100, constraint }, "majority", {}],
    ["the votes by name", { extract, reward: selfConsistency({ extract }) }, "majority", {}],
    ["votes of one's own", { reward: selfConsistency({ extract }) }, "best-of-n", {}],
    ["a reward", { reward: judge }, "best-of-n", { reward: judge }],
    ["a reward and answers", { reward: judge, extract }, "best-of-n", { reward: judge }],
    ["a potential", { potential: judge }, "particle", { finish: "best", lambda: 0.05 }],
    [
      "a potential and answers of short texts",
      { potential: judge, extract, maxTokens: 100 },
      "particle",
      { alpha: 4, finish: "best" },
    ],
    ["a potential and answers of long texts", { potential: judge, extract }, "particle", {}],
    ["both", { potential: judge, reward: judge }, "particle", { finish: "best" }],
    ["a constraint", { constraint }, "particle", { blockTokens: 4 }],
    ["a constraint and a reward", { constraint, reward: judge }, "best-of-n", {}],
    ["a constraint and a potential", { constraint, potential: judge }, "particle", {}],
    ["how ETS is cut", { rollouts: 2 }, "ets", {}],
    ["how ETS is cut, and a potential", { blockTokens: 8, potential: judge }, "ets", {}],
    ["λ", { lambda: 0.5, reward: judge }, "ets", {}],
    ["λ of a potential", { lambda: 0.5, potential: judge }, "particle", {}],
    ["candidates alone", { candidates: 8 }, "ets", {}],
  ];
  test.each(cases)("%s", (_, options, method, own) => {
    const choice = chooseMethod(options);
    expect(choice.method).toBe(method);
    expect(choice.options).toMatchObject(own);
    expect(choice.because.length).toBeGreaterThan(10);
    expect(choice.evidence).toMatch(/^docs\/[\w-]+\.md/);
  });

  test("and the length says how long blocks are", () => {
    const blocksOf = (maxTokens?: number) =>
      chooseMethod({ potential: judge, ...(maxTokens && { maxTokens }) }).options.blockTokens;
    expect([20, 80, 1000, undefined].map(blocksOf)).toEqual([4, 8, 16, 16]);
  });

  test("and on a diffusion model what it can be asked", () => {
    const facts = { isDiffusion: true };
    expect(chooseMethod({ potential: judge }, facts)).toMatchObject({
      method: "best-of-n",
      options: { reward: judge },
    });
    expect(chooseMethod({ extract, maxTokens: 100 }, facts).method).toBe("majority");
    const told = { extract, maxTokens: 96, diffusion: { blockLength: 8 } };
    expect(chooseMethod(told).method).toBe("majority");
  });
});

test("what the rules read is checked before they read it", () => {
  const wrong = Symbol("wrong") as never;
  for (const options of [{ maxTokens: wrong }, { candidates: wrong }, { budget: { ms: wrong } }]) {
    expect(() => chooseMethod(options)).toThrow(/^Expected `(maxTokens|candidates|budget.ms)`/);
  }
  expect(() => chooseMethod({}, { speed: wrong })).toThrow(/^Expected `facts.speed`/);
});

describe("a budget", () => {
  const sizeOf = (options: MethodOptions, speed?: number) =>
    chooseMethod(
      { reward: judge, maxTokens: 50, ...options },
      speed === undefined ? {} : { speed },
    );

  test("of tokens says how many texts are drawn", () => {
    expect(sizeOf({ budget: { tokens: 400 } }).options.candidates).toBe(8);
    expect(sizeOf({ budget: { tokens: 1e6 } }).options.candidates).toBe(32);
    expect(sizeOf({ budget: { tokens: 99 } }).method).toBe("sample");
    expect(sizeOf({ budget: { tokens: 99 } }).because).toBe("the budget leaves one text");
    expect(sizeOf({}).options.candidates).toBeUndefined();
  });

  test("of time says so by the model's speed", () => {
    expect(sizeOf({ budget: { ms: 2000 } }, 100).options.candidates).toBe(4);
    expect(sizeOf({ budget: { ms: 2000, tokens: 100 } }, 100).options.candidates).toBe(2);
    expect(sizeOf({ budget: { ms: 900 } }, 100).method).toBe("sample");
  });

  test("yields to candidates that were asked for", () => {
    expect(sizeOf({ candidates: 3, budget: { tokens: 1e6 } }).options.candidates).toBe(3);
  });
});

describe("what was asked for is checked", () => {
  test.each<[string, object, RegExp]>([
    ["another method's option", { alpha: 2 }, /`alpha` is for power, particle, not auto/],
    ["a misspelt option", { lamda: 1 }, /`lamda`/],
    ["a bad number", { reward: judge, candidates: 0 }, /`candidates` .*`0`/],
    ["a proposal's option", { mixture: 0.5 }, /`mixture` needs a `proposal`/],
    ["what is no object", [1], /options/],
  ])("%s", (_, options, says) => {
    const choose = () => chooseMethod(options as MethodOptions);
    expect(choose).toThrow(says);
    expect(choose).toThrow(expect.objectContaining({ code: "ERR_INVALID_OPTION" }));
  });
});

describe("a run", () => {
  const model = new TableModel(hashedTable(2));
  const shape = { maxTokens: 4, candidates: 3, seed: 5 };

  test("is the chosen method's, and says why in its result and its plan", async () => {
    const plans: unknown[] = [];
    const onPlan = (planned: unknown) => plans.push(planned);
    const result = await auto(model, PROMPT, { ...shape, potential: judge, onPlan });
    const { auto: reason, method, settings, plan: planned } = result;
    expect(method).toBe("particle");
    expect(settings).toMatchObject({
      candidates: 3,
      lambda: 0.05,
      finish: "best",
    });
    expect(reason?.because).toMatch(/beginnings can be judged/);
    expect(planned.auto).toEqual(reason);
    expect(plans).toMatchObject([{ method: "particle", auto: reason }]);
  });

  test("keeps what the caller has set", async () => {
    const { settings } = await auto(model, PROMPT, { ...shape, potential: judge, lambda: 0.7 });
    expect(settings).toMatchObject({ lambda: 0.7, finish: "best" });
  });

  test("measures the model's speed where there is a budget of time", async () => {
    const { candidates: _, ...open } = shape;
    const { settings } = await auto(model, PROMPT, {
      ...open,
      reward: judge,
      budget: { ms: 600_000 },
    });
    expect(settings.candidates).toBeGreaterThan(1);
  });

  test("is planned as it would be run", async () => {
    const planned = await plan(model, PROMPT, { ...shape, potential: judge, method: "auto" });
    expect(planned).toMatchObject({ method: "particle", candidates: 3 });
    expect(planned.auto?.evidence).toMatch(/^docs\//);
  });
});

describe("in an evaluation", () => {
  const item = { id: "1", prompt: "", gold: "" };
  const setting = { maxTokens: 100, canVote: true, isDiffusion: false, reward: "self-consistency" };

  test.each<[string, EvaluatedMethodOptions, Partial<typeof setting>, string, object]>([
    ["answers", {}, {}, "particle", { alpha: 4 }],
    ["answers, and a length of its own", { maxTokens: 300 }, {}, "majority", { maxTokens: 300 }],
    ["whole texts", {}, { canVote: false }, "sample", {}],
    ["the evaluation's reward", {}, { reward: "confidence" }, "best-of-n", { reward: undefined }],
    ["its own reward", { reward: "confidence" }, {}, "best-of-n", { reward: "confidence" }],
    [
      "a potential",
      { potential: "ifeval" },
      { canVote: false },
      "particle",
      { potential: "ifeval" },
    ],
    [
      "a potential of a diffusion model",
      { potential: "ifeval" },
      { isDiffusion: true },
      "best-of-n",
      { reward: "ifeval", potential: undefined },
    ],
  ])("the task and the options decide: %s", (_, options, facts, method, own) => {
    const chosen = chooseForTask(options, { ...setting, ...facts });
    expect(chosen.choice.method).toBe(method);
    expect({ reward: undefined, potential: undefined, ...chosen.options }).toMatchObject(own);
    expect(chosen.options).not.toHaveProperty("extract");
  });

  test("answers can be compared but where they are programs or whole texts", () => {
    const tasks = [miniGsm, gsm8k, humaneval, ifeval];
    expect(tasks.map((task) => canVote(task, item))).toEqual([true, true, false, false]);
  });

  test("what methods beside it share of ETS is not its own", () => {
    const shared = { candidates: 4, rollouts: 2, temperature: 0.5, lambda: 1, alpha: 2 };
    expect(sharedWithAuto(shared)).toEqual({ candidates: 4, temperature: 0.5 });
  });

  test("methods that differ by name alone are refused, and auto beside its choice is not", () => {
    const settings = { candidates: 8 };
    const [a, b] = ["a", "b"].map((name) => ({ name, method: "majority", settings }));
    const twins = [a, b].flatMap((one) => one ?? []);
    expect(() => refuseTwins(twins)).toThrow(/`a` and `b` with the same settings/);
    const chosen = { name: "auto", method: "majority", settings: { ...settings, auto: true } };
    expect(() => refuseTwins([...twins.slice(1), chosen])).not.toThrow();
  });
});
