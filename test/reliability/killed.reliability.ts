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
