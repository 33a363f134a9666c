/** Options of every wrong type are refused by name, whatever the method. */
import { describe, expect, test } from "vitest";
import { LlamaEtsError } from "../../src/engine/errors.js";
import { METHOD_NAMES, METHODS, type MethodName } from "../../src/methods/registry.js";
import { checkOptions } from "../../src/methods/resolve-options.js";

const WRONG = {
  null: null,
  "a string": "many",
  "an empty string": "",
  "a number": -1.5,
  NaN: Number.NaN,
  "a boolean": true,
  "an array": [1, "a"],
  "an object": { unknown: 1 },
  "a function": () => 1,
  "a symbol": Symbol("x"),
  "a bigint": 1n,
} as const;

/** Options, and what among the values above is right for them. */
const RIGHT: Readonly<Record<string, readonly (keyof typeof WRONG)[]>> = {
  ...{ candidates: [], rollouts: [], steps: [], blockTokens: [], lambda: [], maxTokens: [] },
  metrics: [],
  ...{ temperature: [], topK: [], topP: [], minP: [], allowedTokens: [] },
  ...{ stop: [], system: ["a string", "an empty string"] },
  ...{ raw: ["a boolean"], reasoning: [], adaptive: ["a boolean"] },
  prefixCache: ["a boolean"],
  ...{ finish: [], block: [], preset: [], budget: [], diffusion: [], shortcuts: [], seed: [] },
  ...{ reward: ["a function"], extract: ["a function"], signal: [] },
  ...{ onPlan: ["a function"], onStep: ["a function"] },
  ...{ onWarning: ["a function"], onProgress: ["a function"] },
};

const OWN: Readonly<Record<string, readonly (keyof typeof WRONG)[]>> = {
  ...{ lengthPenalty: [], alpha: [], moves: [], cuts: [], weights: [], mixture: [], ratio: [] },
  ...{ proposalSampling: [], proposalDiffusion: [], proposal: [], resampleEvery: [] },
  ...{ votes: [], voteExponent: [] },
  potential: ["a function"],
};

/** Options that a method has no use for, since it sets them itself. */
const isOverridden = (name: MethodName, option: string) =>
  option in (METHODS[name].overrides ?? {}) ||
  (option === "reward" && METHODS[name].reward !== undefined);

describe.each(METHOD_NAMES)("%s", (name) => {
  const method = METHODS[name];
  const own = [method.own, method.proposal ?? {}, method.potential ?? {}].flatMap(Object.keys);
  const options = [...Object.keys(RIGHT), ...own];

  test.each(options)("refuses `%s` of a wrong type by its name", (option) => {
    if (isOverridden(name, option)) return;
    const right = RIGHT[option] ?? OWN[option] ?? [];
    for (const [type, value] of Object.entries(WRONG)) {
      if ((right as readonly string[]).includes(type)) continue;
      const check = () => checkOptions(method, { [option]: value });
      expect(check, `${option}: ${type}`).toThrow(LlamaEtsError);
      expect(check, `${option}: ${type}`).toThrow(option);
    }
  });

  test("knows of every option that this test has", () => {
    for (const option of own) expect(OWN).toHaveProperty(option);
  });
});
