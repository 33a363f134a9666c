/** The full form of test/reliability/killed.reliability.ts: five methods, 200 items, ten kills. */
import { expect, test } from "vitest";
import { cli, scratch } from "../fixtures/cli-process.js";
import { evaluateWithKills, keysIn, samplesOf } from "../fixtures/killed-evaluation.js";

const METHODS = "sample,majority,best-of-n,ets,ets-is";

test("ten kills of 1,000 samples lose none, repeat none and change none", async () => {
  const args = ["eval", "mini-gsm", "--methods", METHODS, "--limit", "200"];
  const [whole, killed] = [scratch("whole"), scratch("killed")];
  const { code, stdout } = await cli([...args, "--out", whole]);
  expect(code).toBe(0);
  console.log(stdout);
  await evaluateWithKills(args, killed, { kills: 10, total: 1000, seed: 2026 });

  const expected = await samplesOf(whole);
  expect(expected.size).toBe(1000);
  expect(await samplesOf(killed)).toEqual(expected);
  expect(keysIn(killed)).toEqual(keysIn(whole));
}, 3_600_000);
