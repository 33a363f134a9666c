/** What test/reliability/queue.reliability.ts has no time for: a Redis that is lost, and two evaluations. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { cli, scratch, startCli } from "../fixtures/cli-process.js";
import { samplesOf } from "../fixtures/killed-evaluation.js";
import { endWorkers, hasDrawn, startWorker } from "../fixtures/queue-workers.js";
import { HAS_REDIS, type RedisServer, startRedis } from "../fixtures/redis-server.js";

const ARGS = ["eval", "mini-gsm", "--methods", "sample,ets", "--limit", "20"];

describe.skipIf(!HAS_REDIS)("with redis-server installed", () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterEach(() => endWorkers(redis));
  afterAll(() => redis?.stop());

  test("a Redis that comes back empty loses no sample", async () => {
    const [alone, lost] = [scratch("alone"), scratch("lost")];
    expect((await cli([...ARGS, "--out", alone])).code).toBe(0);
    const run = startCli([...ARGS, "--queue", redis.url, "--out", lost]);
    startWorker(redis);
    await hasDrawn(run, lost, 3);
    await redis.stop();
    await redis.start();
    const { code, stderr } = await run.finished;
    expect(code, stderr).toBe(0);
    expect(await samplesOf(lost)).toEqual(await samplesOf(alone));
  });

  test("a killed evaluation goes on with what its workers drew meanwhile", async () => {
    const [alone, killed] = [scratch("alone"), scratch("killed")];
    const run = startCli([...ARGS, "--queue", redis.url, "--out", killed]);
    startWorker(redis);
    await hasDrawn(run, killed, 3);
    run.child.kill("SIGKILL");
    await run.finished;
    const { code, stderr } = await cli([
      ...ARGS,
      "--queue",
      redis.url,
      "--out",
      killed,
      "--resume",
    ]);
    expect(code, stderr).toBe(0);
    expect(await samplesOf(killed)).toEqual(await samplesOf(alone));
  });

  test("a second evaluation is refused while the first one uses the queue", async () => {
    const long = [...ARGS, "--limit", "500"];
    const run = startCli([...long, "--queue", redis.url, "--out", scratch("first")]);
    startWorker(redis);
    await hasDrawn(run, scratch("first"), 1);
    const second = await cli([...ARGS, "--queue", redis.url, "--out", scratch("second")]);
    expect(second.code).toBe(1);
    expect(second.stderr).toContain("(ERR_QUEUE)");
    run.child.kill("SIGINT");
    expect((await run.finished).code).toBe(130);
  });
});
