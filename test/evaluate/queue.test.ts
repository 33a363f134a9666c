/** Evaluations whose samples workers draw, through a real Redis. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { cli, scratch, startCli } from "../fixtures/cli-process.js";
import { keysIn, samplesOf } from "../fixtures/killed-evaluation.js";
import { endWorkers, hasDrawn, jobsOn, startWorker } from "../fixtures/queue-workers.js";
import { HAS_REDIS, type RedisServer, startRedis } from "../fixtures/redis-server.js";

const ARGS = ["eval", "mini-gsm", "--methods", "sample,ets", "--limit", "6", "-M", "4"];

describe.skipIf(!HAS_REDIS)("with redis-server installed", () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterEach(endWorkers);
  afterAll(() => redis?.stop());

  test("three workers, one of them killed, draw each sample once, as one process does", async () => {
    const [alone, spread] = [scratch("alone"), scratch("spread")];
    expect((await cli([...ARGS, "--out", alone])).code).toBe(0);
    const run = startCli([...ARGS, "--queue", redis.url, "--out", spread]);
    const killed = startWorker(redis);
    await hasDrawn(run, spread, 2);
    startWorker(redis);
    startWorker(redis);
    killed.child.kill("SIGKILL");
    const { code, stderr } = await run.finished;
    expect(code, stderr).toBe(0);
    expect(keysIn(spread).toSorted()).toEqual(keysIn(alone).toSorted());
    expect(await samplesOf(spread)).toEqual(await samplesOf(alone));
  }, 60_000);

  test("a worker with another model refuses, and Ctrl-C leaves no job on the queue", async () => {
    const directory = scratch("interrupted");
    const run = startCli([...ARGS, "--queue", redis.url, "--out", directory]);
    const refusing = await startWorker(redis, "-m", "mini-gsm-proposal").finished;
    expect(refusing.code).toBe(1);
    expect(refusing.stderr).toMatch(/The evaluation's model is SHA-256 \w{64}; this worker's is/);
    startWorker(redis);
    await hasDrawn(run, directory, 2);
    run.child.kill("SIGINT");
    const { code, stderr } = await run.finished;
    expect(stderr).toMatch(/Interrupted: \d+ of 12 samples are kept/);
    expect(code).toBe(130);
    await endWorkers();
    expect(await jobsOn(redis)).toEqual([]);
  }, 60_000);
});

test.each([
  ["no URL", "localhost", 2, "Expected `queue` to be a Redis URL"],
  ["no server", "redis://127.0.0.1:1", 1, "No Redis at 127.0.0.1:1"],
])(
  "%s is refused",
  async (_, url, code, message) => {
    const finished = await cli(["worker", "--queue", url]);
    expect(finished.stderr).toContain(message);
    expect(finished.code).toBe(code);
  },
  30_000,
);
