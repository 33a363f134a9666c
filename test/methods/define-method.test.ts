/** A method of one's own: what it says of itself is all that the house needs to know. */
import { describe, expect, test } from "vitest";
import { defineMethod } from "../../src/methods/define-method.js";
import { drawComplete } from "../../src/methods/draw-complete.js";
import { oneStep, WHOLE_TEXTS } from "../../src/methods/method.js";
import { integerOption } from "../../src/methods/options/option.js";
import { planRun } from "../../src/methods/run/plan-run.js";
import { chainDemand } from "../../src/planning/demands.js";
import { boundGuided } from "../../src/planning/token-bounds.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable } from "../fixtures/table-engine/tables.js";

/** Draws whole texts and returns the one whose length is nearest to what is asked for. */
const nearestLength = defineMethod({
  name: "nearest-length",
  summary: "draws whole texts and returns the one nearest to a length",
  own: {
    targetTokens: integerOption("targetTokens", {
      min: 1,
      max: 4096,
      fallback: 2,
      flags: "--target-tokens <n>",
      help: "nearest-length: tokens of the text (default: 2)",
    }),
  },
  guidance: ["candidates"],
  fixed: oneStep,
  demand: chainDemand,
  bounds: boundGuided,
  reports: WHOLE_TEXTS,
  run: (run) => {
    const { targetTokens } = run.settings.own;
    const distance = (tokens: readonly number[]) => Math.abs(tokens.length - targetTokens);
    return drawComplete(run, (texts) => {
      const least = Math.min(...texts.map(({ tokens }) => distance(tokens)));
      return texts.findIndex(({ tokens }) => distance(tokens) === least);
    });
  },
});

const model = new TableModel(hashedTable(2));
const options = { candidates: 16, temperature: 1, maxTokens: 6 };

describe("a method of one's own", () => {
  test("is called as the others are, and reports what it was given", async () => {
    for (const targetTokens of [1, 2, 3, 6]) {
      const result = await nearestLength(model, "q", { ...options, targetTokens, raw: true });
      expect(result.method).toBe("nearest-length");
      expect(result.settings).toMatchObject({
        targetTokens,
        candidates: 16,
        rollouts: 1,
        steps: 1,
      });
      const lengths = result.steps[0]?.candidates.map(({ tokens }) => tokens.length) ?? [];
      const nearest = Math.min(...lengths.map((length) => Math.abs(length - targetTokens)));
      expect(Math.abs(result.tokens.length - targetTokens)).toBe(nearest);
    }
  });

  test("has its options checked by name, with their defaults, and others' refused", async () => {
    const given = { ...options, raw: true };
    expect((await nearestLength(model, "q", given)).settings.targetTokens).toBe(2);
    await expect(nearestLength(model, "q", { ...given, targetTokens: 0 })).rejects.toMatchObject({
      code: "ERR_INVALID_OPTION",
      message: expect.stringContaining("`targetTokens` to be an integer from 1 to 4096, got `0`"),
    });
    const misspelt = { ...given, targetToken: 3 };
    await expect(nearestLength(model, "q", misspelt)).rejects.toThrow(/Try: `targetTokens`/);
    const foreign = { ...given, alpha: 3 };
    await expect(nearestLength(model, "q", foreign)).rejects.toThrow(
      /Unknown option `alpha` in `options of nearest-length`/,
    );
  });

  test("is planned by the shape of what it draws", () => {
    const { plan } = planRun(nearestLength, model, options, 1);
    expect(plan).toMatchObject({ method: "nearest-length", candidates: 16, steps: 1 });
    expect(plan.model.tokens.generated).toBe(16 * 6);
  });

  test("is a function of its name that says what it is", () => {
    expect(nearestLength.name).toBe("nearest-length");
    expect(nearestLength.own.targetTokens.flags[0]?.flags).toBe("--target-tokens <n>");
  });
});
