/** Whatever the public API is called with, and in whatever state: a result, or an error with a code. */
import { expect, test } from "vitest";
import { LocalModel } from "../../src/engine/local/model.js";
import * as api from "../../src/index.js";
import { fuzzApi, lastLineOf } from "../fixtures/fuzz-api.js";
import { functionCalls, modelCalls, NOT_CALLED } from "../fixtures/public-api.mjs";

/** The other methods of a model: `dispose` ends it, `doctor` calls `proveForks`, and the rest are protected. */
const NOT_CALLED_OF_MODEL = ["dispose", "proveForks", "alive", "retire"];

test("every function and every method of a model is called: none is forgotten", () => {
  const functions = Object.keys(functionCalls(api, {}));
  expect([...functions, ...NOT_CALLED].sort()).toEqual(Object.keys(api).sort());
  const methods = new Set<string>();
  let prototype: object = LocalModel.prototype;
  while (prototype !== Object.prototype) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      if (name !== "constructor" && typeof value === "function") methods.add(name);
    }
    prototype = Object.getPrototypeOf(prototype) as object;
  }
  const called = Object.keys(modelCalls({}, {}));
  expect([...called, ...NOT_CALLED_OF_MODEL].sort()).toEqual([...methods].sort());
});

test("2,000 calls with values of wrong and right types", async () => {
  const { calls, violations } = await fuzzApi(20261130, 2000);
  expect(violations).toEqual([]);
  expect(calls).toBeGreaterThan(1800);
}, 120_000);

/** By state, and by the call where it differs. */
const EVERYWHERE = {
  runWorker: "ERR_QUEUE",
  "model.openClassifier": "ERR_UNSUPPORTED_MODEL",
  "model.openDenoiser": "ERR_UNSUPPORTED_MODEL",
};
/** What needs no engine; an evaluation keeps its samples as failed. */
const WITHOUT_ENGINE = {
  evaluate: "value",
  runWorker: "ERR_QUEUE",
  "model.describe": "value",
  "model.freeMemory": "value",
  "model.memoryOf": "value",
  "model.memoryOfDenoiser": "value",
};
const EXPECTED: Record<string, { of: Record<string, string>; others: RegExp }> = {
  ready: { of: EVERYWHERE, others: /^value$/ },
  busy: { of: EVERYWHERE, others: /^value$/ },
  cancelled: { of: EVERYWHERE, others: /^value$/ },
  disposing: { of: WITHOUT_ENGINE, others: /^ERR_DISPOSED$/ },
  disposed: { of: WITHOUT_ENGINE, others: /^ERR_DISPOSED$/ },
  // Whether the engine's end is known already.
  crashed: { of: EVERYWHERE, others: /^(value|ERR_ENGINE_CRASHED)$/ },
};

test.each(["alone", "beside another model", "beside two contexts", "on another thread"])(
  "every call in every state of its model, %s",
  async (place) => {
    type Tables = Record<string, Record<string, Record<string, string>>>;
    const { [place]: states = {} } = await lastLineOf<Tables>("states.mjs", place);
    expect(Object.keys(states)).toEqual(Object.keys(EXPECTED));
    for (const [state, outcomes] of Object.entries(states)) {
      const { of, others } = EXPECTED[state] as (typeof EXPECTED)[string];
      for (const [name, outcome] of Object.entries(outcomes)) {
        const allowed = of[name] === undefined ? others : new RegExp(`^${of[name]}$`);
        expect(outcome, `${name}, ${state}`).toMatch(allowed);
      }
      expect(Object.keys(outcomes).length).toBeGreaterThan(30);
    }
  },
  120_000,
);
