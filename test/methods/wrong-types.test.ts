/** Options of every wrong type are refused by name, whatever the method. */
import { describe, expect, test } from "vitest";
import { checkArray, checkStrings } from "../../src/engine/check.js";
import { LlamaEtsError } from "../../src/engine/errors.js";
import { checkMethods } from "../../src/evaluate/configured-methods.js";
import { chooseMethod } from "../../src/methods/auto.js";
import { checkProposal } from "../../src/methods/check-proposal.js";
import { checkOptions } from "../../src/methods/options/resolve.js";
import {
  METHOD_NAMES,
  METHODS,
  type MethodName,
  type MethodOptions,
} from "../../src/methods/registry.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable } from "../fixtures/table-engine/tables.js";

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
  candidates: [],
  rollouts: [],
  steps: [],
  blockTokens: [],
  lambda: [],
  maxTokens: [],
  metrics: [],
  temperature: [],
  topK: [],
  topP: [],
  minP: [],
  allowedTokens: [],
  stop: [],
  system: ["a string", "an empty string"],
  raw: ["a boolean"],
  reasoning: [],
  adaptive: ["a boolean"],
  prefixCache: ["a boolean"],
  finish: [],
  block: [],
  preset: [],
  budget: [],
  diffusion: [],
  shortcuts: [],
  seed: [],
  reward: ["a function"],
  extract: ["a function"],
  signal: [],
  onPlan: ["a function"],
  onStep: ["a function"],
  onWarning: ["a function"],
  onProgress: ["a function"],
};

const OWN: Readonly<Record<string, readonly (keyof typeof WRONG)[]>> = {
  lengthPenalty: [],
  alpha: [],
  moves: [],
  cuts: [],
  weights: [],
  mixture: [],
  ratio: [],
  proposalSampling: [],
  proposalDiffusion: [],
  proposal: [],
  resampleEvery: [],
  votes: [],
  voteExponent: [],
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

  test("refuses options that are no object", async () => {
    const model = new TableModel(hashedTable(14, 2));
    for (const [type, value] of Object.entries(WRONG)) {
      if (type === "an object") continue;
      const drawn = METHODS[name](model, "1", value as never);
      await expect(drawn, type).rejects.toThrow("Expected `options` to be an object");
    }
  });

  test("knows of every option that this test has", () => {
    for (const option of own) expect(OWN).toHaveProperty(option);
  });
});

describe("what reads options before a method checks them", () => {
  const all = { ...RIGHT, ...OWN };

  test.each(Object.keys(all))(
    "auto refuses `%s` of a wrong type, or leaves it to a method",
    (option) => {
      for (const [type, value] of Object.entries(WRONG)) {
        for (const beside of [{}, { extract: () => "1" }, { constraint: { words: 3 } }]) {
          const choose = () => chooseMethod({ ...beside, [option]: value } as MethodOptions);
          try {
            choose();
          } catch (error) {
            expect(error, `${option}: ${type}`).toBeInstanceOf(LlamaEtsError);
          }
        }
        const isJudge = option === "reward" || option === "potential";
        if (!isJudge || type === "a function") continue;
        expect(() => chooseMethod({ [option]: value } as MethodOptions), type).toThrow(option);
      }
    },
  );

  test("lists with holes, which `every` and `map` pass over, are refused", () => {
    const holes = new Array(3) as never[];
    expect(() => checkMethods(holes)).toThrow("Expected `methods` to name at least one method");
    expect(() => checkStrings("stop", Array(1).concat("a"))).toThrow(
      "Expected `stop` to be an array",
    );
    expect(() => checkArray("pool", holes)).toThrow("Expected `pool` to be an array");
  });

  test("checkProposal refuses each of its options of a wrong type by its name", async () => {
    const model = new TableModel(hashedTable(14, 2));
    for (const option of ["texts", "maxTokens", "temperature", "seed", "signal"]) {
      for (const [type, value] of Object.entries(WRONG)) {
        const checked = checkProposal(model, model, "1", {
          texts: 2,
          maxTokens: 1,
          [option]: value,
        });
        await expect(checked, `${option}: ${type}`).rejects.toThrow(`\`${option}\``);
      }
    }
  });
});
