/** Evaluations that are killed and resumed have the samples of one that was not. */
import { expect, test } from "vitest";
import { cli, scratch } from "../fixtures/cli-process.js";
import { evaluateWithKills, keysIn, samplesOf } from "../fixtures/killed-evaluation.js";

test("three kills lose no sample, repeat none and change none", async () => {
  const args = ["eval", "mini-gsm", "--methods", "sample,ets,ets-is", "--limit", "9", "-M", "4"];
  const [whole, killed] = [scratch("whole"), scratch("killed")];
  const { code } = await cli([...args, "--out", whole]);
  expect(code).toBe(0);
  await evaluateWithKills(args, killed, { kills: 3, total: 27, seed: 1 });

  const expected = await samplesOf(whole);
  expect(expected.size).toBe(27);
  expect(await samplesOf(killed)).toEqual(expected);
  expect(keysIn(killed)).toEqual(keysIn(whole));
});

test("kills change nothing of what a total budget draws", async () => {
  const args = ["eval", "mini-gsm", "--methods", "sample,majority:M=2", "--limit", "4"];
  const budget = ["--samples", "5", "--budget-tokens-total", "3000", "--max-tokens", "64"];
  const all = [...args, ...budget, "--temperature", "1"];
  const [whole, killed] = [scratch("budget"), scratch("budget-killed")];
  expect((await cli([...all, "--out", whole])).code).toBe(0);
  const expected = await samplesOf(whole);
  expect(expected.size).toBeLessThan(40);
  await evaluateWithKills(all, killed, { kills: 1, total: expected.size, seed: 2 });
  expect(await samplesOf(killed)).toEqual(expected);
  expect(keysIn(killed)).toHaveLength(expected.size);
});
