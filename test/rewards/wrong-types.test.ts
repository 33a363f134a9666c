/** Options of a wrong type are refused by name when a reward is made, not when it first scores. */
import { expect, test } from "vitest";
import {
  combine,
  confidence,
  entropy,
  exactMatch,
  jsonSchemaVerifier,
  type Model,
  openReward,
  oracle,
  pythonTests,
  regexVerifier,
  rewardModel,
  selfCertainty,
  selfConsistency,
  verifier,
} from "../../src/index.js";
import { expectRefused, wrongOptions, wrongValues } from "../fixtures/wrong-types.js";

const ANSWERS = { extract: ["function"], answerEnd: [] } as const;
const classifier = {
  info: { labels: ["right", "wrong"], eos: 1, eot: null },
  [Symbol.asyncDispose]: async () => {},
} as unknown as Model;

// biome-ignore lint/suspicious/noExplicitAny: wrong types are what is tried
const make: Record<string, (options: any) => unknown> = {
  selfConsistency,
  confidence,
  entropy,
  selfCertainty,
  exactMatch: (options) => exactMatch("7", options),
  oracle: (options) => oracle("7", options),
  openReward: (options) => openReward("confidence", options),
  pythonTests: (options) => pythonTests({ entryPoint: "f", tests: "", ...options }),
  rewardModel: (options) => rewardModel(classifier, options),
  "rewardModel's template": (template) => rewardModel(classifier, { template }),
  combine: (part) => combine([{ reward: confidence(), ...part }]),
  "combine's reward": (part) =>
    combine([{ reward: { name: "own", score: () => [], ...part } as never }]),
};

const options: Record<string, Parameters<typeof wrongOptions>[0]> = {
  selfConsistency: { ...ANSWERS, pool: [], singleton: [], leaveCandidateOut: ["boolean"] },
  confidence: { rate: ["number", "fraction"] },
  entropy: { rate: ["number", "fraction"] },
  selfCertainty: { rate: ["number", "fraction"] },
  exactMatch: ANSWERS,
  oracle: ANSWERS,
  openReward: { ...ANSWERS, loadModel: ["function"] },
  pythonTests: {
    entryPoint: ["string"],
    tests: ["string"],
    setup: ["string"],
    timeoutMs: [],
    extract: ["function"],
  },
  rewardModel: { template: ["bare", "date"], label: [] },
  "rewardModel's template": { before: ["function"], after: ["string"] },
  combine: { reward: ["function"], weight: ["number", "fraction"] },
  "combine's reward": {
    name: ["string"],
    score: ["function"],
    isSettled: ["function"],
    isDecided: ["function"],
  },
};

const cases = Object.entries(options).flatMap(([reward, own]) =>
  wrongOptions(own).map(([option, kind, value]) => [reward, option, kind, value] as const),
);

test.each(cases)("%s refuses a wrong `%s`: %s", async (reward, option, _, value) => {
  await expectRefused(option, () => make[reward]?.({ [option]: value }));
});

test.each(wrongValues())("arguments of a wrong type are refused: %s", async (kind, value) => {
  const wrong = value as never;
  for (const own of [selfConsistency, confidence, entropy, selfCertainty, pythonTests]) {
    if (kind === "bare" || kind === "date") continue; // an object without options
    await expectRefused(own.name, () => own(wrong));
  }
  await expectRefused("combine", () => combine(wrong));
  await expectRefused(kind === "bare" || kind === "date" ? "reward" : "combine", () =>
    combine([wrong]),
  );
  await expectRefused("model", () => rewardModel(wrong));
  if (kind !== "function") await expectRefused("predicate", () => verifier(wrong));
  if (kind !== "string") {
    await expectRefused("name", () => verifier(() => true, wrong));
    await expectRefused("pattern", () => regexVerifier(wrong));
    await expectRefused("expected", () => exactMatch(wrong));
  }
  if (kind !== "string" && kind !== "function") await expectRefused("gold", () => oracle(wrong));
  if (!["object", "bare", "date"].includes(kind)) {
    await expectRefused("schema", () => jsonSchemaVerifier(wrong));
  }
  await expectRefused("--reward", () => openReward(wrong));
});

test("what is left out has its default", () => {
  expect(() => selfConsistency({})).not.toThrow();
  expect(() => combine([{ reward: () => 1 }])).not.toThrow();
});
