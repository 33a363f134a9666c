/** Has samples drawn by workers elsewhere: jobs go to a queue, outcomes come back once each. */
import { createHash } from "node:crypto";
import { realpath } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Job, Queue } from "bullmq";
import { LlamaEtsError } from "../../engine/errors.js";
import { untilAborted } from "../../engine/until-aborted.js";
import type { DrawRequest, Outcome } from "../draw-sample.js";
import type { DrawJob } from "../jobs.js";
import { longestJobs } from "../side-by-side.js";
import {
  asQueueError,
  connectRedis,
  outcomeSchema,
  type QueuedJob,
  type Redis,
  RUN_EXPIRES_MS,
  RUN_KEY,
  readAnnouncement,
  type Work,
} from "./protocol.js";
import { QUEUE_NAME } from "./queue-names.js";

const POLL_MS = 200;
/** How often it looks whether a restart of Redis has lost jobs. */
const RECOUNT_MS = 5_000;
/** How long it waits for a first worker before it says that there is none. */
const WORKER_PATIENCE_MS = 3_000;
const BULK = 500;
/** An interrupted evaluation waits no longer for a Redis that may be gone. */
const CLEAN_LIMIT_MS = 3_000;

interface QueueOptions {
  url: string;
  work: Work;
  /** The run directory: whoever holds it owns the jobs that it left on the queue. */
  directory: string;
  signal: AbortSignal | undefined;
  onWarning: ((message: string) => void) | undefined;
}

/** Throws `ERR_QUEUE` where there is no Redis, or one that refuses. */
export async function checkRedis(url: string): Promise<void> {
  (await connectRedis(url)).disconnect();
}

/**
 * Puts the jobs on the queue, and takes outcomes as they come. However it ends, the queue is left
 * clean; what was taken off it was given to `onOutcome` before.
 *
 * @throws LlamaEtsError `ERR_QUEUE`; the signal's reason when aborted
 */
export async function drawOnQueue(request: DrawRequest, options: QueueOptions): Promise<void> {
  const { Queue } = await import("bullmq");
  const redis = await connectRedis(options.url);
  const queue = new Queue(QUEUE_NAME, { connection: redis });
  queue.on("error", () => {}); // Lost connections come back by themselves.
  let renewal: NodeJS.Timeout | undefined;
  let isOwner = false;
  try {
    renewal = await announce(redis, request, options);
    isOwner = true;
    await drawAll(queue, request, options);
  } catch (error) {
    throw asQueueError(options.url, error);
  } finally {
    clearInterval(renewal);
    const clean = async () => {
      if (isOwner) {
        await queue.obliterate({ force: true });
        await redis.del(RUN_KEY);
      }
      await queue.close();
    };
    await Promise.race([clean().catch(() => {}), sleep(CLEAN_LIMIT_MS)]);
    redis.disconnect();
  }
}

/** Claims the database, for as long as this process renews the claim. */
async function announce(
  redis: Redis,
  { jobs }: DrawRequest,
  { work, directory, url }: QueueOptions,
) {
  const place = `${hostname()}:${await realpath(directory)}`;
  const owner = createHash("sha256").update(place).digest("hex");
  const announcement = JSON.stringify({ ...work, owner, longest: longestJobs(jobs) });
  const renew = () => redis.set(RUN_KEY, announcement, "PX", RUN_EXPIRES_MS);
  const before = await redis.get(RUN_KEY);
  if (before !== null && readAnnouncement(before)?.owner !== owner) {
    throw new LlamaEtsError("ERR_QUEUE", `Another evaluation uses ${new URL(url).host}`, {
      fix: "wait for it, or a database of its own: redis://host:6379/1",
    });
  }
  await renew();
  return setInterval(() => renew().catch(() => {}), RUN_EXPIRES_MS / 3);
}

async function drawAll(
  queue: Queue,
  { jobs, onOutcome }: DrawRequest,
  { work, url, signal, onWarning }: QueueOptions,
): Promise<void> {
  const outstanding = new Map(jobs.map((job) => [job.key, job]));
  await untilAborted(() => removeForeign(queue, outstanding), signal);
  await untilAborted(() => put(queue, outstanding, work), signal);
  const began = performance.now();
  let isAttended = false;
  let counted = began;
  while (outstanding.size > 0) {
    const finished = await untilAborted(
      () => queue.getJobs(["completed", "failed"], 0, BULK - 1),
      signal,
    );
    for (const done of finished as Job[]) {
      const job = outstanding.get(done.id ?? "");
      if (job !== undefined) await onOutcome(job, outcomeOf(done));
      outstanding.delete(done.id ?? "");
      await untilAborted(() => done.remove(), signal).catch(ignoreMissing);
    }
    if (finished.length === 0)
      await sleep(POLL_MS, undefined, signal ? { signal } : {}).catch(() => {});
    signal?.throwIfAborted();
    if (!isAttended && performance.now() - began > WORKER_PATIENCE_MS) {
      isAttended = true; // it is said once
      if (
        finished.length === 0 &&
        (await untilAborted(() => queue.getWorkersCount(), signal)) === 0
      ) {
        onWarning?.(`No worker listens. Try: llama-ets worker --queue ${withoutSecrets(url)}`);
      }
    }
    if (performance.now() - counted < RECOUNT_MS) continue;
    counted = performance.now();
    const counts = await untilAborted(() => queue.getJobCounts(), signal);
    const total = Object.values(counts).reduce((a, b) => a + b, 0);
    if (total < outstanding.size) await untilAborted(() => put(queue, outstanding, work), signal);
  }
}

function withoutSecrets(url: string): string {
  const shown = new URL(url);
  shown.username = "";
  shown.password = "";
  return shown.href;
}

/** Puts jobs on the queue; those that are there already stay as they are. */
async function put(queue: Queue, jobs: ReadonlyMap<string, DrawJob>, work: Work): Promise<void> {
  const waiting = [...jobs.values()];
  for (let from = 0; from < waiting.length; from += BULK) {
    const part = waiting.slice(from, from + BULK).map((job) => ({
      name: job.name,
      data: { work, ...job } as QueuedJob,
      opts: { jobId: job.key, attempts: 1 },
    }));
    await queue.addBulk(part);
  }
}

/** Removes what an evaluation that was killed left on the queue. */
async function removeForeign(queue: Queue, own: ReadonlyMap<string, DrawJob>): Promise<void> {
  const left = (await queue.getJobs()) as (Job | undefined)[];
  for (const job of left) {
    if (job?.id === undefined || own.has(job.id)) continue;
    await job.remove().catch(ignoreMissing);
  }
}

function outcomeOf(job: Job): Outcome {
  if (job.failedReason !== undefined && job.failedReason !== null && job.failedReason !== "") {
    return { error: { code: "ERR_QUEUE", message: `No worker finished it: ${job.failedReason}` } };
  }
  const outcome = outcomeSchema.safeParse(job.returnvalue);
  if (outcome.success) return outcome.data;
  const [issue] = outcome.error.issues;
  const what = `${issue?.path.join(".")}: ${issue?.message}`;
  return { error: { code: "ERR_QUEUE", message: `A worker returned something else: ${what}` } };
}

/** A job may be gone, or in the hands of a worker that will return it. */
function ignoreMissing(): void {}
