/** What a pair of models makes of rollouts: on ratios that are known, and on tables. */
import seedrandom from "seedrandom";
import { expect, test } from "vitest";
import { checkProposal } from "../../src/methods/check-proposal.js";
import { plan } from "../../src/methods/plan.js";
import { checkRatios, forecast } from "../../src/planning/pair.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable, nearTable } from "../fixtures/table-engine/tables.js";

/** Normal log ratios of a deviation: the mean of exp is 1, the KL half of the variance. */
function normalTexts(texts: number, length: number, deviation: number) {
  const random = seedrandom("ratios");
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Array.from({ length: texts }, () =>
    Array.from({ length }, () => deviation * normal() - deviation ** 2 / 2),
  );
}

test("where all tokens differ a little, the share is exp(-2 KL L)", () => {
  // 4000 texts: KL is measured to .001, the share at 32 tokens (e^-.64 = .527) to a few percent.
  const pair = checkRatios([normalTexts(4000, 32, Math.sqrt(0.02))]);
  expect(pair).toMatchObject({ texts: 4000, tokens: 128_000 });
  expect(pair.klPerToken).toBeCloseTo(0.01, 2);
  for (const { tokens, share } of pair.essShares) {
    expect(share / Math.exp(-2 * 0.01 * tokens)).toBeCloseTo(1, 0);
    expect(Math.abs(share - Math.exp(-0.02 * tokens))).toBeLessThan(0.05);
  }
  const { essShare, advice } = forecast(pair, 64); // behind what was seen
  expect(Math.abs(essShare - Math.exp(-0.02 * 64))).toBeLessThan(0.06);
  expect(advice).toMatch(/Try: resampleEvery: 1\d with 8 rollouts or more, shorter answers/);
});

test("where few texts differ much, more count than the KL says", () => {
  const far = [0, 0, -8, 0];
  const near = [0, 0, 0, 0];
  const pair = checkRatios([[far, near, near, near]]);
  expect(pair.klPerToken).toBe(0.5);
  expect(pair.essShares.map(({ tokens }) => tokens)).toEqual([1, 2, 4]);
  expect(pair.essShares[1]?.share).toBe(1);
  expect(pair.essShares[2]?.share).toBeCloseTo(0.75, 2); // exp(-2 · .5 · 4) is .02
  expect(pair.halfLength).toBeNull();
  expect(pair.acceptance).toBeCloseTo(15 / 16, 3);
});

test("equal models lose nothing at any length, and texts outside the support have no share", () => {
  const equal = checkRatios([[[0, 0, 0], [0]]]);
  expect(equal).toMatchObject({ acceptance: 1, halfLength: null });
  expect(forecast(equal, 1000)).toMatchObject({ essShare: 1, rolloutTokens: 1000 });
  const none = checkRatios([[[-Infinity], [-Infinity]]]);
  expect(none.halfLength).toBe(0);
  expect(forecast(none, 5).essShare).toBe(0);
});

test("a pair is measured by the proposal's own texts", async () => {
  const table = hashedTable(12, 2);
  const [model, same] = [new TableModel(table), new TableModel(table)];
  const options = { texts: 64, maxTokens: 8, temperature: 1 };
  const near = await checkProposal(model, same, "Noah", { ...options, raw: true });
  expect(near.klPerToken).toBeCloseTo(0, 9);
  const far = new TableModel(nearTable(table, hashedTable(13, 2), 0.5));
  const pair = await checkProposal(model, far, ["Noah", "Mia"], { ...options, raw: true });
  expect(pair.texts).toBe(128);
  expect(pair.klPerToken).toBeGreaterThan(0.05);
  expect(pair.acceptance).toBeLessThan(1);
  // The reference's own temperature is part of what it draws from.
  const hot = await checkProposal(model, same, "Noah", {
    ...options,
    raw: true,
    proposalTemperature: 2,
  });
  expect(hot.klPerToken).toBeGreaterThan(0.05);
});

test("a plan says of a proposal what it was asked to, and draws nothing else", async () => {
  const table = hashedTable(12, 2);
  const model = new TableModel(table);
  const proposal = new TableModel(nearTable(table, hashedTable(13, 2), 1));
  const options = { proposal, maxTokens: 24, blockTokens: 8, raw: true };
  expect((await plan(model, "Noah", options)).pair).toBeUndefined();
  const { pair } = await plan(model, "Noah", { ...options, checkProposal: true });
  expect(pair).toMatchObject({ texts: 16, rolloutTokens: 16 });
  expect(pair?.advice).toMatch(/nats a token from the reference: about \d+% of the rollouts/);
  await expect(plan(model, "Noah", { checkProposal: true })).rejects.toMatchObject({
    code: "ERR_INVALID_OPTION",
    message: expect.stringContaining("needs a `proposal`"),
  });
});

test.each<[object, string]>([
  [{ texts: 1 }, "texts"],
  [{ maxTokens: 0 }, "maxTokens"],
  [{ temperature: "hot" }, "temperature"],
  [{ proposalTemperature: -1 }, "temperature"],
  [{ seed: 0.5 }, "seed"],
  [{ lambda: 1 }, "lambda"],
])("checkProposal refuses %j", async (options, name) => {
  const model = new TableModel(hashedTable(12));
  const check = checkProposal(model, model, "Noah", options);
  await expect(check).rejects.toMatchObject({
    code: "ERR_INVALID_OPTION",
    message: expect.stringContaining(name),
  });
});
