/** Evaluations whose samples workers draw, through a real Redis. */
import { fileURLToPath } from "node:url";
import { Redis } from "ioredis";
import { describe, expect, test } from "vitest";
import { evaluate, miniGsm, plan, runWorker } from "../../src/index.js";
import { cli, scratch, startCli } from "../fixtures/cli-process.js";
import { keysIn, samplesOf } from "../fixtures/killed-evaluation.js";
import { useModel } from "../fixtures/models.js";
import { endWorkers, hasDrawn, jobsOn, startWorker } from "../fixtures/queue-workers.js";
import { HAS_REDIS, type RedisServer, startRedis } from "../fixtures/redis-server.js";

const BLOCKING_REWARD = fileURLToPath(new URL("../fixtures/blocking-reward.mjs", import.meta.url));
const model = useModel();
const ARGS = ["eval", "mini-gsm", "--methods", "sample,ets", "--limit", "6", "-M", "4"];

/** A test with a server of its own. */
const withRedis = (run: (redis: RedisServer) => Promise<void>) => async () => {
  const redis = await startRedis();
  try {
    await run(redis);
  } finally {
    await endWorkers(redis);
    await redis.stop();
  }
};

// At once, because much of their time is waiting: for locks to expire, and for a server that is none.
describe.skipIf(!HAS_REDIS).concurrent("with redis-server installed", () => {
  const killedWorker = withRedis(async (redis) => {
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
  });
  test(
    "three workers, one of them killed, draw each sample once, as one process does",
    killedWorker,
  );

  const interrupted = withRedis(async (redis) => {
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
    await endWorkers(redis);
    expect(await jobsOn(redis)).toEqual([]);
  });
  test("a worker with another model refuses, and Ctrl-C leaves no job on the queue", interrupted);

  const unattended = withRedis(async (redis) => {
    const url = redis.url.replace("//", "//default:secret@");
    const run = startCli([...ARGS, "--queue", url, "--out", scratch("unattended")]);
    await run.says("No worker listens. Try: llama-ets worker --queue redis://127.0.0.1:");
    run.child.kill("SIGINT");
    const { code, stderr } = await run.finished;
    expect(stderr).not.toContain("secret");
    expect(code).toBe(130);
  });
  test("an evaluation says when no worker listens, and keeps the password to itself", unattended);

  const sideBySide = withRedis(async (redis) => {
    const ended = new AbortController();
    const options = { queue: redis.url, concurrency: 4, signal: ended.signal };
    const working = expect(runWorker(model(), options)).rejects.toThrow("enough");
    // The second one's runs don't fit into the room of the first one's.
    for (const maxTokens of [32, 96]) {
      const { summary } = await evaluate(model(), miniGsm, {
        methods: ["sample"],
        limit: 8,
        options: { maxTokens },
        queue: redis.url,
        out: scratch(`room-${maxTokens}`),
      });
      const [drawn] = Object.values(summary.methods);
      expect(drawn).toMatchObject({ n: 8, failed: 0 });
      const { model: needs } = await plan(model(), "?", { method: "sample", maxTokens: 8 });
      const partitions = [await model().lease(needs), await model().lease(needs)];
      const [decodes, same] = await Promise.all(
        partitions.map(async (partition) => (await partition.status()).contextDecodes),
      );
      for (const partition of partitions) await model().release(partition);
      expect(decodes).toBeGreaterThan(0);
      expect(same).toBe(decodes);
      expect(decodes).toBeLessThan((drawn?.generated ?? 0) * 0.75);
    }
    ended.abort(new Error("enough"));
    await working;
  });
  test("a worker's runs side by side share a context, one for each evaluation", sideBySide);

  const blocked = withRedis(async (redis) => {
    const reward = ["--reward", `module:${BLOCKING_REWARD}`];
    const drawing = ["--methods", "best-of-n", "--limit", "1", "-M", "1"];
    const out = scratch("blocked");
    const run = startCli([
      "eval",
      "mini-gsm",
      ...drawing,
      ...reward,
      "--queue",
      redis.url,
      "--out",
      out,
    ]);
    const workers = [startWorker(redis, ...reward), startWorker(redis, ...reward)];
    const { code, stderr } = await run.finished;
    expect(code, stderr).toBe(0);
    expect(await samplesOf(out)).toHaveLength(1);
    for (const { child } of workers) child.kill("SIGINT");
    const ended = await Promise.all(workers.map(({ finished }) => finished));
    const counts = ended.map(({ stderr }) => Number(/Stopped after (\d+)/.exec(stderr)?.[1] ?? 0));
    expect(counts.toSorted()).toEqual([0, 1]);
  });
  test("a reward that blocks its worker for longer than a lock lasts is asked once", blocked);

  const refusing = withRedis(async (redis) => {
    const out = scratch("refusing");
    const client = new Redis(redis.url);
    const refusal = async (url: string) => {
      const { code, stderr } = await cli([...ARGS, "--queue", url, "--out", out]);
      expect(code, stderr).toBe(1);
      return stderr;
    };
    expect(await refusal(`${redis.url}/99`)).toMatch(/ERR DB index is out of range \(ERR_QUEUE\)/);
    await client.config("SET", "maxmemory", "1mb");
    expect(await refusal(redis.url)).toMatch(/OOM command not allowed.* \(ERR_QUEUE\)/);
    await client.config("SET", "maxmemory", "0");
    await client.set("bull:llama-ets:wait", "not a list");
    expect(await refusal(redis.url)).toMatch(/WRONGTYPE .*\(ERR_QUEUE\)/);
    await client.config("SET", "requirepass", "word");
    expect(await refusal(redis.url)).toMatch(/NOAUTH .*\(ERR_QUEUE\)/);
    const wrong = redis.url.replace("//", "//:another@");
    expect(await refusal(wrong)).toMatch(/WRONGPASS .*\(ERR_QUEUE\)/);
    await client.config("SET", "requirepass", "");
    client.disconnect();
    // None of them has begun the run: the corrected command does.
    expect((await cli([...ARGS, "--out", out])).code).toBe(0);
  });
  test("what Redis refuses is told by its word, and begins no run", refusing);
});

test.concurrent.each([
  ["no URL", "localhost", 2, "Expected `queue` to be a Redis URL"],
  ["no database", "redis://127.0.0.1/abc", 2, "Expected `queue` to be a Redis URL"],
  ["no server", "redis://127.0.0.1:1", 1, "No Redis at 127.0.0.1:1"],
])("%s is refused", async (_, url, code, message) => {
  const finished = await cli(["worker", "--queue", url]);
  expect(finished.stderr).toContain(message);
  expect(finished.code).toBe(code);
});
