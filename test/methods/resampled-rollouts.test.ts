/** Rollouts that are resampled on their way, on the engine: what they cost, and what they are planned for. */
import { expect, test } from "vitest";
import { ets } from "../../src/methods/ets.js";
import { plan } from "../../src/methods/plan.js";
import type { MethodOptions } from "../../src/methods/registry.js";
import { QUESTION } from "../fixtures/models.js";
import { endlessTokens, usePreciseModel } from "../fixtures/precise-model.js";
import { TableModel } from "../fixtures/table-engine/model.js";
import { hashedTable, nearTable } from "../fixtures/table-engine/tables.js";

const model = usePreciseModel();
const small = usePreciseModel(3);
const reward = ({ text }: { text: string }) => (text.length % 7) / 7;

function optionsOf(given: MethodOptions = {}): MethodOptions {
  return {
    proposal: small(),
    candidates: 5,
    rollouts: 4,
    blockTokens: 8,
    maxTokens: 32,
    reward,
    allowedTokens: endlessTokens(model()),
    temperature: 2,
    resampleEvery: 3,
    ...given,
  };
}

test("each token is drawn, decoded and scored once, within the plan's bounds", async () => {
  const { usage, proposalUsage, plan: planned, steps } = await ets(model(), QUESTION, optionsOf());
  const rollouts = 5 * 4 * (24 + 16 + 8); // no text ends early
  expect(usage.generated).toBe(5 * 32);
  expect(proposalUsage?.generated).toBe(rollouts);
  // Identical blocks of one rollout's copies are read once.
  expect(usage.scored).toBeLessThanOrEqual(rollouts);
  expect(usage.scored).toBeGreaterThan(rollouts / 2);
  expect(usage.prefilled).toBe(planned.promptTokens);
  expect(proposalUsage?.prefilled).toBeLessThanOrEqual(planned.proposal?.tokens.prefilled ?? 0);
  expect(proposalUsage?.decoded).toBeLessThanOrEqual(rollouts);
  for (const step of steps.slice(0, -1)) {
    expect(step).toMatchObject({ rolloutCount: 20 });
    expect(step.rolloutEss).toBeGreaterThanOrEqual(1);
    expect(step.rolloutEss).toBeLessThanOrEqual(step.distinctRollouts ?? 0);
    expect(step.oneRatioEss).toBeGreaterThan(0);
    expect(step.oneRatioEss).toBeLessThanOrEqual(step.distinctRollouts ?? 0);
  }
});

test("the same seed gives the same text, however many candidates run side by side", async () => {
  const table = hashedTable(12, 1);
  const reference = new TableModel(table);
  const proposal = new TableModel(nearTable(table, hashedTable(13, 1), 1));
  const { allowedTokens: _, ...options } = optionsOf({ proposal, raw: true, seed: 5 });
  const atOnce = await ets(reference, "Noah", options);
  const few = new TableModel(table);
  Object.assign(few.limits, { parallel: 4 });
  const inTurn = await ets(few, "Noah", options);
  expect([atOnce.plan.model.parallel, inTurn.plan.model.parallel]).toEqual([20, 4]);
  expect(inTurn.tokens).toEqual(atOnce.tokens);
  expect(inTurn.steps.map(({ logEnergies }) => logEnergies)).toEqual(
    atOnce.steps.map(({ logEnergies }) => logEnergies),
  );
});

test("a model that is its own proposal has weights of 1, resampled or not", async () => {
  const reference = new TableModel(hashedTable(12, 1));
  const { allowedTokens: _, ...options } = optionsOf({ proposal: reference, raw: true });
  const { steps } = await ets(reference, "Noah", options);
  for (const { meanRatio, oneRatioEss, distinctRollouts } of steps.slice(0, -1)) {
    if (distinctRollouts === undefined) continue;
    expect(meanRatio).toBeCloseTo(1, 9);
    expect(oneRatioEss).toBeCloseTo(distinctRollouts, 6);
  }
});

test("contexts are planned for the rollouts that are kept between their blocks", async () => {
  const resampled = await plan(model(), QUESTION, optionsOf());
  const { resampleEvery: _, ...once } = optionsOf();
  const weighed = await plan(model(), QUESTION, once);
  for (const which of ["model", "proposal"] as const) {
    const [a, b] = [resampled[which], weighed[which]];
    expect(a?.sequences).toBe((b?.sequences ?? 0) + (a?.parallel ?? 0));
    expect((a?.parallel ?? 0) % 4).toBe(0);
  }
  const most = optionsOf({ candidates: 8, rollouts: 120 });
  expect((await plan(model(), QUESTION, most)).model.parallel).toBe(120);
  await expect(plan(model(), QUESTION, { ...most, rollouts: 124 })).rejects.toMatchObject({
    code: "ERR_INVALID_OPTION",
    message: expect.stringContaining("llama.cpp holds 256"),
  });
});

test("a budget and a signal end it between blocks", async () => {
  const cut = await ets(model(), QUESTION, optionsOf({ budget: { tokens: 150 } }));
  expect(cut.stopReason).toBe("budget");
  const signal = AbortSignal.timeout(1);
  await expect(ets(model(), QUESTION, optionsOf({ signal }))).rejects.toThrow(
    "aborted due to timeout",
  );
  const again = await ets(model(), QUESTION, optionsOf());
  expect(again.tokens).toHaveLength(32);
});

test("texts that the reference can't draw weigh nothing, and end all the same", async () => {
  const { steps, text } = await ets(model(), QUESTION, optionsOf({ topK: 1, temperature: 1 }));
  expect(text.length).toBeGreaterThan(0);
  const drawn = steps[0]?.candidates.flatMap(({ completions }) => completions) ?? [];
  expect(drawn.every(({ tokens }) => tokens.length === 32)).toBe(true);
});

test.each<[MethodOptions, string]>([
  [{ rollouts: 1 }, "rollouts"],
  [{ weights: "psis" }, 'weights: "exact"'],
  [{ mixture: 0.5 }, "mixture: 0"],
  [{ resampleEvery: 0 }, "resampleEvery"],
  [{ resampleEvery: 2.5 }, "resampleEvery"],
])("refuses %j", async (options, fix) => {
  await expect(ets(model(), QUESTION, optionsOf(options))).rejects.toMatchObject({
    code: "ERR_INVALID_OPTION",
    message: expect.stringContaining(fix),
  });
});

test("needs a proposal", async () => {
  const { proposal: _, ...options } = optionsOf();
  await expect(ets(model(), QUESTION, options)).rejects.toMatchObject({
    message: expect.stringContaining("`resampleEvery` needs a `proposal`"),
  });
});
