/**
 * Sweeps of 24 settings that `kill -9` ends at random moments (LLAMA_ETS_STUDY_KILLS of them, or ten),
 * wherever they are: while a model loads, within a sample, between two runs, while the report is written.
 * After `--resume` they must have the results of an undisturbed sweep.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import seedrandom from "seedrandom";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cli, scratch, scratchFile, startCli } from "../fixtures/cli-process.js";
import { keysIn, samplesOf } from "../fixtures/killed-evaluation.js";
import { endWorkers, startWorker } from "../fixtures/queue-workers.js";
import { HAS_REDIS, type RedisServer, startRedis } from "../fixtures/redis-server.js";

const KILLS = Number(process.env.LLAMA_ETS_STUDY_KILLS ?? 10);
const RUNS = ["mini-gsm-ref/seed-0", "mini-gsm-ref/seed-1"].map((run) => `mini-gsm/${run}`);
const SWEEP = `
tasks: mini-gsm
models: mini-gsm-ref
limit: 3
seeds: [0, 1]
options: { temperature: 0.9 }
methods:
  - sample
  - { method: majority, candidates: [2, 4, 8, 16] }
  - { method: best-of-n, candidates: [2, 4, 8], reward: self-certainty }
  - { method: particle, candidates: [2, 4, 8, 16] }
  - { method: ets, candidates: [2, 4, 8], rollouts: [1, 4], lambda: [0.1, 0.5] }
`;

const config = () => scratchFile("sweep.yaml", SWEEP);
const whole = scratch("whole");

beforeAll(async () => {
  const { code, stdout, stderr } = await cli(["eval", "--config", config(), "--out", whole]);
  expect(code, stderr).toBe(0);
  console.log(stdout);
});

/** Returns the results without seconds and directories, which may differ between two sweeps. */
function numbersOf(out: string): unknown {
  const text = readFileSync(path.join(out, "sweep.json"), "utf8").replaceAll(out, "OUT");
  return JSON.parse(text, (key, value) => (key === "seconds" ? undefined : value));
}

interface Kills {
  seed: string;
  /** The longest time before a kill, in milliseconds. */
  within: number;
  /** Additional arguments. */
  extra?: readonly string[];
  /** Called after each kill. */
  afterKill?: () => Promise<void>;
}

/** Starts a sweep and kills it after a random time, again and again; then lets it end. */
async function sweepWithKills(
  out: string,
  { seed, within, extra = [], afterKill }: Kills,
): Promise<void> {
  const random = seedrandom(seed);
  const args = ["eval", "--config", config(), "--out", out, "--resume", ...extra];
  let kills = 0;
  while (kills < KILLS) {
    const run = startCli(args);
    await Promise.race([sleep(300 + random() * within), run.finished]);
    if (run.child.exitCode === null) kills++;
    run.child.kill("SIGKILL");
    await run.finished;
    await afterKill?.();
  }
  const { code, stderr } = await cli(args);
  expect(code, stderr).toBe(0);
}

async function expectTheSame(out: string): Promise<void> {
  for (const run of RUNS) {
    const [expected, found] = [path.join(whole, run), path.join(out, run)];
    expect(await samplesOf(found)).toEqual(await samplesOf(expected));
    expect(keysIn(found).toSorted()).toEqual(keysIn(expected).toSorted());
  }
  expect(numbersOf(out)).toEqual(numbersOf(whole));
}

test("kills of a sweep lose no sample, repeat none and change no number", async () => {
  for (const run of RUNS) expect(keysIn(path.join(whole, run))).toHaveLength(24 * 3);
  const out = scratch("killed");
  await sweepWithKills(out, { seed: "2026", within: 3000 });
  await expectTheSame(out);
}, 1_800_000);

describe.skipIf(!HAS_REDIS)("with redis-server installed", () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(async () => {
    await endWorkers(redis);
    await redis.stop();
  });

  test("nor do kills of a sweep and of its worker, at the same moments", async () => {
    const out = scratch("spread");
    startWorker(redis, "--potential", "self-certainty");
    const afterKill = async () => {
      await endWorkers(redis);
      startWorker(redis, "--potential", "self-certainty");
    };
    const extra = ["--queue", redis.url];
    // Longer: it waits until the lock of the one that was killed has ended.
    await sweepWithKills(out, { seed: "2027", within: 9000, extra, afterKill });
    await expectTheSame(out);
  }, 1_800_000);
});
