/** The slow tests of the queue: a lost Redis, two evaluations, and foreign entries on the queue. */
import { existsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { cli, scratch, scratchFile, startCli } from "../fixtures/cli-process.js";
import { keysIn, samplesOf } from "../fixtures/killed-evaluation.js";
import { endWorkers, hasDrawn, startWorker } from "../fixtures/queue-workers.js";
import { HAS_REDIS, type RedisServer, startRedis } from "../fixtures/redis-server.js";

const ARGS = ["eval", "mini-gsm", "--methods", "sample,ets", "--limit", "20"];

/** What becomes of a Redis in mid-run, and what the evaluation may say of it. */
const FAULTS: [string, RegExp, (client: Redis) => Promise<unknown>][] = [
  ["full", /OOM/, (client) => client.config("SET", "maxmemory", "1")],
  ["read-only", /READONLY/, (client) => client.call("REPLICAOF", "127.0.0.1", "1")],
  ["slow", /never/, (client) => client.call("CLIENT", "PAUSE", "3000")],
  [
    "one with a password",
    /NOAUTH/,
    async (client) => {
      await client.config("SET", "requirepass", "word");
      await client.call("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
    },
  ],
  [
    "one with values of other types",
    /WRONGTYPE/,
    async (client) => {
      for (const list of ["completed", "active", "wait"]) {
        await client.del(`bull:llama-ets:${list}`);
        await client.set(`bull:llama-ets:${list}`, "x");
      }
    },
  ],
];

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

  test("rubbish on the queue ends neither the evaluation nor its worker, and costs no other sample", async () => {
    const [alone, out] = [scratch("untouched"), scratch("hostile")];
    const loaded = scratch("loaded");
    const evil = scratchFile(
      "evil.mjs",
      `import { writeFileSync } from "node:fs"; writeFileSync(${JSON.stringify(loaded)}, "");
       export default () => 1;`,
    );
    expect((await cli([...ARGS, "--out", alone])).code).toBe(0);
    const client = new Redis(redis.url);
    const prefix = "bull:llama-ets";
    const put = async (id: string, list: "wait" | "completed", fields: object) => {
      await client.hset(`${prefix}:${id}`, { name: "x", data: "{}", opts: "{}", ...fields });
      if (list === "wait") await client.rpush(`${prefix}:wait`, id);
      else await client.zadd(`${prefix}:completed`, 1, id);
    };
    // A run that was killed leaves some of it: what can't be read is removed at first.
    await put("left", "completed", { data: "{no JSON" });
    await client.set(`${prefix}:left-text`, "no job");
    await client.zadd(`${prefix}:completed`, 1, "left-text");
    const run = startCli([...ARGS, "--queue", redis.url, "--out", out]);
    while ((await client.llen(`${prefix}:wait`)) < 40) await sleep(20);
    const [own = "", other = ""] = await client.lrange(`${prefix}:wait`, 0, 1);
    const fields = await client.hgetall(`${prefix}:${other}`);
    const job = JSON.parse(fields.data ?? "");
    const forged = (change: object) => ({ ...fields, data: JSON.stringify({ ...job, ...change }) });
    const module = `module:${evil}`;
    const deep = "[".repeat(1e6) + "]".repeat(1e6);
    for (const [id, hostile] of Object.entries({
      "no JSON": { data: "{no JSON" },
      "no options": { opts: "null" },
      nothing: { data: "null", opts: '{"attempts":1e9}', timestamp: "x", priority: -1 },
      nested: { data: `{"options":{"a":${deep}},"work":${deep}}` },
      long: { data: JSON.stringify({ key: "x".repeat(20 * 2 ** 20) }) },
      polluting: { data: '{"__proto__":{"work":{}},"work":{"task":"__proto__"}}' },
      "another model": forged({ work: { ...job.work, model: "0".repeat(64) } }),
      "a module for a reward": forged({ work: { ...job.work, reward: module } }),
      "a module for a task": forged({ work: { ...job.work, task: module } }),
      "a module for a potential": forged({ work: { ...job.work, potentials: [module] } }),
      "modules among the options": forged({ options: { reward: module, potential: module } }),
      "options out of range": forged({ options: { candidates: 1e308, maxTokens: -1 } }),
    })) {
      await put(id, "wait", hostile);
    }
    await client.set(`${prefix}:text`, "no job");
    await client.rpush(`${prefix}:wait`, "text", "no hash");
    await client.lrem(`${prefix}:wait`, 0, own);
    await put(own, "completed", { returnvalue: "{no JSON", data: "{no JSON", finishedOn: 1 });
    await client.del("llama-ets:run");
    await client.lpush("llama-ets:run", "no text");
    client.disconnect();

    const worker = startWorker(redis);
    const { code, stderr } = await run.finished;
    expect(code, stderr).toBe(1);
    expect(stderr).toContain("What Redis holds in its place is no job (ERR_QUEUE)");
    expect(worker.child.exitCode).toBe(null);
    expect(existsSync(loaded)).toBe(false);
    expect(keysIn(out).toSorted()).toEqual(keysIn(alone).toSorted());
    expect((await cli([...ARGS, "--out", out, "--resume"])).code).toBe(0);
    expect(await samplesOf(out)).toEqual(await samplesOf(alone));
  });

  test.each(FAULTS)("a Redis that becomes %s loses no sample", async (name, refusal, begin) => {
    const own = await startRedis();
    const client = new Redis(own.url);
    const [alone, out] = [scratch("in peace"), scratch(name)];
    try {
      const run = startCli([...ARGS, "--queue", own.url, "--out", out]);
      startWorker(own);
      await hasDrawn(run, out, 3);
      await begin(client);
      const { code, stderr } = await run.finished;
      if (code !== 0) expect(stderr).toMatch(refusal);
      if (code !== 0) expect(stderr).toContain("(ERR_QUEUE)");
    } finally {
      client.disconnect();
      await endWorkers(own);
      await own.stop();
    }
    for (const directory of [alone, out]) {
      expect((await cli([...ARGS, "--out", directory, "--resume"])).code).toBe(0);
    }
    expect(await samplesOf(out)).toEqual(await samplesOf(alone));
    expect(new Set(keysIn(out)).size).toBe(keysIn(out).length);
  });
});
