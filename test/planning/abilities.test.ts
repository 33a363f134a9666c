/** What an engine can't do is refused by the name of who needs it, before anything is drawn. */
import { describe, expect, test } from "vitest";
import type { Abilities } from "../../src/engine/engine.js";
import { METHODS, type MethodName, type MethodOptions } from "../../src/methods/registry.js";
import { entropy } from "../../src/rewards/certainty.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable } from "../fixtures/table-engine/tables.js";

const table = hashedTable(0);
const options: MethodOptions = {
  raw: true,
  maxTokens: 4,
  blockTokens: 2,
  candidates: 2,
  allowedTokens: [40, 41],
  reward: ({ text }) => text.length,
};
const run = (method: MethodName, lacks: (keyof Abilities)[], own: MethodOptions = {}) =>
  METHODS[method](new TableModel(table, { lacks }), "a", { ...options, ...own });

describe("an engine that can't", () => {
  test.each<[keyof Abilities, MethodName, MethodOptions]>([
    ["fork", "ets", {}],
    ["fork", "particle", {}],
    ["fork", "mh", {}],
    ["rank", "beam", {}],
    ["score", "ets-is", { proposal: new TableModel(table) }],
  ])("%s is refused for %s, and serves majority", async (ability, method, own) => {
    const given = method === "beam" || method === "power" ? { ...own, reward: undefined } : own;
    await expect(run(method, [ability], given as MethodOptions)).rejects.toMatchObject({
      code: "ERR_UNSUPPORTED_MODEL",
      message: expect.stringMatching(new RegExp(`^${method} needs a model that can .*\nTry: `)),
    });
    const { reward: _, blockTokens: __, ...plain } = options;
    const other = new TableModel(table, { lacks: [ability] });
    await expect(METHODS.majority(other, "a", plain)).resolves.toMatchObject({
      method: "majority",
    });
  });

  test.each<MethodName>(["mh", "power"])(
    "cut texts serves %s all the same, which reads what it keeps again",
    async (method) => {
      const cuts = "uniform" as const; // some of them behind the first token
      const whole = {
        raw: true,
        maxTokens: 4,
        candidates: 2,
        allowedTokens: [40, 41],
        moves: 5,
        cuts,
      };
      const own = method === "mh" ? { ...whole, reward: options.reward } : whole;
      const draw = (lacks: (keyof Abilities)[]) =>
        METHODS[method](new TableModel(table, { lacks }), "a", own as MethodOptions);
      const cut = await draw([]);
      const read = await draw(["cut"]);
      expect(read.tokens).toEqual(cut.tokens);
      expect(read.acceptanceRate).toBe(cut.acceptanceRate);
      expect(read.usage.generated).toBe(cut.usage.generated);
      expect(read.usage.prefilled).toBeGreaterThan(cut.usage.prefilled);
      for (const { usage, plan } of [cut, read]) {
        expect(usage.prefilled).toBeLessThanOrEqual(plan.model.tokens.prefilled);
      }
    },
  );

  test("measure tokens is refused for a reward of their entropies", async () => {
    await expect(run("ets", ["metrics"], { reward: entropy() })).rejects.toMatchObject({
      code: "ERR_UNSUPPORTED_MODEL",
      message: expect.stringMatching(/^What is measured of tokens needs a model that can measure/),
    });
  });
});
