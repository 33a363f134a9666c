/** How far drawn and scored log-probabilities are apart is measured, not assumed. */
import { describe, expect, test } from "vitest";
import type { Model } from "../../src/engine/engine.js";
import { measureRounding } from "../../src/engine/rounding.js";
import type { Sequences } from "../../src/engine/sequences.js";
import { useModel } from "../fixtures/models.js";
import { usePreciseModel } from "../fixtures/precise-model.js";
import { ROUNDING } from "../fixtures/rounding.js";

const bundled = useModel();
const diffusion = useModel("mini-gsm-llada");
const precise = usePreciseModel();

describe("measureRounding", () => {
  test("finds millionths in a model of 32 bits, whose texts don't end", async () => {
    expect(await measureRounding(precise(), 3)).toMatchObject({ tokens: 3 * 32 });
    expect((await measureRounding(precise(), 3)).largest).toBeLessThan(1e-4);
  });

  test("gives its figures in order, and frees what it took", async () => {
    const { median, percentile99, largest, tokens } = await measureRounding(bundled(), 4);
    expect(tokens).toBeGreaterThanOrEqual(4);
    expect(median).toBeGreaterThanOrEqual(0);
    expect(percentile99).toBeGreaterThanOrEqual(median);
    expect(largest).toBeGreaterThanOrEqual(percentile99);
    expect(largest).toBeLessThan(ROUNDING);
  });

  test("sees scores that are off: here by a hundredth of a nat", async () => {
    const { median, largest } = await measureRounding(withShiftedScores(precise(), 0.01), 3);
    expect(median).toBeCloseTo(0.01, 4);
    expect(largest).toBeCloseTo(0.01, 3);
  });

  test("refuses a model that extends no text", async () => {
    await expect(measureRounding(diffusion(), 1)).rejects.toMatchObject({
      code: "ERR_UNSUPPORTED_MODEL",
    });
  });
});

function withShiftedScores(model: Model, shift: number): Model {
  const shifted = (context: Sequences) =>
    new Proxy(context, {
      get: (target, name) => {
        if (name === "score") {
          return async (...args: Parameters<Sequences["score"]>) =>
            (await target.score(...args)).map((s) => ({
              ...s,
              logProbs: s.logProbs.map((p) => p + shift),
            }));
        }
        const value = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  const contexts = new WeakMap<Sequences, Sequences>();
  const { info, limits } = model;
  return {
    info,
    limits,
    checkExtends: () => model.checkExtends(),
    freeMemory: () => model.freeMemory(),
    encodePrompt: (...args: Parameters<Model["encodePrompt"]>) => model.encodePrompt(...args),
    lease: async (...args: Parameters<Model["lease"]>) => {
      const context = await model.lease(...args);
      const seen = shifted(context);
      contexts.set(seen, context);
      return seen;
    },
    release: (context: Sequences) => model.release(contexts.get(context) as Sequences),
  } as Partial<Model> as Model;
}
