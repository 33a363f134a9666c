/** Has samples drawn by workers elsewhere: jobs go to a queue, outcomes come back once each. */
import { createHash } from "node:crypto";
import { realpath } from "node:fs/promises";
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Job, JobType, Queue } from "bullmq";
import { LlamaEtsError } from "../../engine/errors.js";
import { untilAborted } from "../../engine/until-aborted.js";
import type { DrawRequest, Outcome } from "../draw-sample.js";
import type { DrawJob } from "../jobs.js";
import { longestJobs } from "../side-by-side.js";
import {
  asQueueError,
  connectRedis,
  isWrongType,
  outcomeSchema,
  type QueuedJob,
  type Redis,
  RUN_EXPIRES_MS,
  RUN_KEY,
  readAnnouncement,
  type Work,
  whatIsWrong,
} from "./protocol.js";
import { QUEUE_NAME } from "./queue-names.js";

/** Where BullMQ keeps jobs. */
const ALL_LISTS: readonly JobType[] = [
  ...(["active", "completed", "delayed", "failed"] as const),
  ...(["prioritized", "waiting", "waiting-children"] as const),
];

const POLL_MS = 200;
/** How often it looks whether a restart of Redis has lost jobs. */
const RECOUNT_MS = 5_000;
/** How long it waits for a first worker before it says that there is none. */
const WORKER_PATIENCE_MS = 3_000;
const BULK = 500;
/** Characters of a worker's reason that are kept. */
const MAX_REASON = 2_000;
/** How long Redis may refuse to be written to while no sample comes. */
const REFUSED_LIMIT_MS = 30_000;
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
  let claim: Claim | undefined;
  try {
    claim = await announce(redis, request, options);
    await drawAll({ queue, redis, claim }, request, options);
  } catch (error) {
    throw asQueueError(options.url, error);
  } finally {
    clearInterval(claim?.renewal);
    const clean = async () => {
      if (claim !== undefined) {
        await queue.obliterate({ force: true });
        await redis.del(RUN_KEY);
      }
      await queue.close();
    };
    await Promise.race([clean().catch(() => {}), sleep(CLEAN_LIMIT_MS)]);
    redis.disconnect();
  }
}

interface Claim {
  renewal: NodeJS.Timeout;
  /** Why Redis refused to renew it the last time. */
  refusal?: unknown;
}

/** Claims the database, for as long as this process renews the claim. */
async function announce(
  redis: Redis,
  { jobs }: DrawRequest,
  { work, directory, url }: QueueOptions,
): Promise<Claim> {
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
  const renewAgain = () =>
    renew().then(
      () => delete claim.refusal,
      (error) => {
        claim.refusal = error;
      },
    );
  const claim: Claim = { renewal: setInterval(renewAgain, RUN_EXPIRES_MS / 3) };
  return claim;
}

/** The queue, and the connection that it has. */
interface Place {
  queue: Queue;
  redis: Redis;
  claim: Claim;
}

async function drawAll(
  place: Place,
  { jobs, onOutcome }: DrawRequest,
  { work, url, signal, onWarning }: QueueOptions,
): Promise<void> {
  const { queue, claim } = place;
  const outstanding = new Map(jobs.map((job) => [job.key, job]));
  await untilAborted(() => removeForeign(place, outstanding), signal);
  await untilAborted(() => put(queue, outstanding, work), signal);
  const began = performance.now();
  let isAttended = false;
  let counted = began;
  let advanced = began;
  while (outstanding.size > 0) {
    const finished = await untilAborted(
      () => jobsOn(queue, ["completed", "failed"], BULK - 1),
      signal,
    );
    let isLeft = false;
    for (const { id, job: done } of finished) {
      const job = outstanding.get(id);
      if (job !== undefined) {
        advanced = performance.now();
        await onOutcome(job, outcomeOf(done));
      }
      outstanding.delete(id);
      isLeft = !(await untilAborted(() => remove(place, id), signal).catch(() => false)) || isLeft;
    }
    // What Redis won't remove now comes again.
    if (finished.length === 0 || isLeft)
      await sleep(POLL_MS, undefined, signal ? { signal } : {}).catch(() => {});
    signal?.throwIfAborted();
    if (claim.refusal !== undefined && performance.now() - advanced > REFUSED_LIMIT_MS)
      throw claim.refusal;
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

/** Removes what an evaluation that was killed left on the queue, and what can't be read. */
async function removeForeign(place: Place, own: ReadonlyMap<string, DrawJob>): Promise<void> {
  for (const { id, job } of await jobsOn(place.queue)) {
    if (job === null || !own.has(id)) await remove(place, id);
  }
}

interface OnQueue {
  id: string;
  /** Null where Redis holds something else in its place. */
  job: Job | null;
}

/** What is on these lists, and on all where none is named; of each up to an index. */
async function jobsOn(queue: Queue, lists?: JobType[], end = -1): Promise<OnQueue[]> {
  const ids = await queue.getRanges(lists ?? [...ALL_LISTS], 0, end);
  return Promise.all(ids.map(async (id) => ({ id, job: await read(queue, id) })));
}

async function read(queue: Queue, id: string): Promise<Job | null> {
  try {
    return (await queue.getJob(id)) ?? null;
  } catch (error) {
    if (isOfContent(error)) return null;
    throw error;
  }
}

/** Whether an error is of what a key holds: no JSON, no object, or another type. */
function isOfContent(error: unknown): boolean {
  return error instanceof SyntaxError || error instanceof TypeError || isWrongType(error);
}

/** False where it is still there: in the hands of a worker that will return it, or Redis refuses. */
async function remove({ queue, redis }: Place, id: string): Promise<boolean> {
  try {
    return (await queue.remove(id)) === 1;
  } catch (error) {
    if (!isWrongType(error)) return false;
    await redis.del(queue.toKey(id));
    return (await queue.remove(id).catch(() => 0)) === 1;
  }
}

function outcomeOf(job: Job | null): Outcome {
  const failure = (message: string, code = "ERR_QUEUE") => ({
    error: { code: code.slice(0, MAX_REASON), message: message.slice(0, MAX_REASON) },
  });
  if (job === null) return failure("What Redis holds in its place is no job");
  if (job.failedReason !== undefined && job.failedReason !== null && job.failedReason !== "") {
    return failure(`No worker finished it: ${job.failedReason}`);
  }
  const outcome = outcomeSchema.safeParse(job.returnvalue);
  if (!outcome.success) return failure(`A worker returned something else: ${whatIsWrong(outcome)}`);
  const { data } = outcome;
  return "error" in data ? failure(data.error.message, data.error.code) : data;
}
