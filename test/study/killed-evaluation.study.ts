/**
 * The full form of test/reliability/killed.reliability.ts: kills of an evaluation with five methods, and of
 * its workers. LLAMA_ETS_STUDY_KILLS of each, ten where it is not set; LLAMA_ETS_STUDY_SEED for other moments;
 * LLAMA_ETS_STUDY_ITEMS of each method, 200 where it is not set.
 */
import { setTimeout as sleep } from "node:timers/promises";
import seedrandom from "seedrandom";
import { expect, test } from "vitest";
import { cli, scratch, startCli } from "../fixtures/cli-process.js";
import { evaluateWithKills, keysIn, linesIn, samplesOf } from "../fixtures/killed-evaluation.js";
import { endWorkers, hasDrawn, startWorker } from "../fixtures/queue-workers.js";
import { HAS_REDIS, startRedis } from "../fixtures/redis-server.js";

const KILLS = Number(process.env.LLAMA_ETS_STUDY_KILLS ?? 10);
const SEED = Number(process.env.LLAMA_ETS_STUDY_SEED ?? 2026);
const ITEMS = Number(process.env.LLAMA_ETS_STUDY_ITEMS ?? 200);
const METHODS = "sample,majority,best-of-n,ets,ets-is";
const LIMIT_MS = 3_600_000;

async function expectTheSame(out: string, whole: string, total: number): Promise<void> {
  const expected = await samplesOf(whole);
  expect(expected.size).toBe(total);
  expect(await samplesOf(out)).toEqual(expected);
  expect(keysIn(out).toSorted()).toEqual(keysIn(whole).toSorted());
}

test(
  `${KILLS} kills of ${5 * ITEMS} samples lose none, repeat none and change none`,
  async () => {
    const args = ["eval", "mini-gsm", "--methods", METHODS, "--limit", `${ITEMS}`, "-M", "32"];
    const [whole, killed] = [scratch("whole"), scratch("killed")];
    const { code, stdout } = await cli([...args, "--out", whole]);
    expect(code).toBe(0);
    console.log(stdout);
    await evaluateWithKills(args, killed, { kills: KILLS, total: 5 * ITEMS, seed: SEED });
    await expectTheSame(killed, whole, 5 * ITEMS);
    expect(keysIn(killed)).toEqual(keysIn(whole));
  },
  LIMIT_MS,
);

test.skipIf(!HAS_REDIS)(
  `nor do ${KILLS} kills of its workers`,
  async () => {
    const args = [
      "eval",
      "mini-gsm",
      "--methods",
      "sample,best-of-n",
      "--limit",
      "100",
      "-M",
      "32",
    ];
    const [whole, spread] = [scratch("whole-alone"), scratch("spread")];
    expect((await cli([...args, "--out", whole])).code).toBe(0);
    const random = seedrandom(`${SEED} workers`);
    const redis = await startRedis();
    try {
      const run = startCli([...args, "--queue", redis.url, "--out", spread]);
      for (let kill = 1; kill <= KILLS; kill++) {
        const worker = startWorker(redis);
        await hasDrawn(run, spread, Math.max(linesIn(spread) + 1, (kill / (KILLS + 1)) * 200));
        await sleep(random() * 300);
        worker.child.kill("SIGKILL");
        expect((await worker.finished).signal).toBe("SIGKILL");
      }
      startWorker(redis);
      const { code, stderr } = await run.finished;
      expect(code, stderr).toBe(0);
    } finally {
      await endWorkers(redis);
      await redis.stop();
    }
    await expectTheSame(spread, whole, 200);
  },
  LIMIT_MS,
);
