/** Draws samples on remote workers: it puts jobs on a queue and takes each outcome exactly once. */
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

/** All lists in which BullMQ keeps jobs. */
const ALL_LISTS: readonly JobType[] = [
  "active",
  "completed",
  "delayed",
  "failed",
  "prioritized",
  "waiting",
  "waiting-children",
];

const POLL_MS = 200;
/** Interval of the check whether a restart of Redis has lost jobs. */
const RECOUNT_MS = 5_000;
/** Time without a worker after which the evaluation warns. */
const WORKER_PATIENCE_MS = 3_000;
const BULK = 500;
/** The maximum number of characters kept of a worker's error message. */
const MAX_REASON = 2_000;
/** How long Redis may refuse to be written to while no sample arrives. */
const REFUSED_LIMIT_MS = 30_000;
/** The maximum time that an interrupted evaluation spends on cleaning the queue, since Redis may be gone. */
const CLEAN_LIMIT_MS = 3_000;

interface QueueOptions {
  url: string;
  work: Work;
  /** The run directory. Its holder owns the jobs that an earlier process of the run left on the queue. */
  directory: string;
  signal: AbortSignal | undefined;
  onWarning: ((message: string) => void) | undefined;
}

/** Throws `ERR_QUEUE` if no Redis answers, or if Redis refuses. */
export async function checkRedis(url: string): Promise<void> {
  (await connectRedis(url)).disconnect();
}

/**
 * Puts the jobs on the queue and takes outcomes as they come. It always leaves the queue clean. Each outcome
 * goes to `onOutcome` before it is removed from the queue.
 *
 * @throws LlamaEtsError `ERR_QUEUE`; the signal's reason when aborted
 */
export async function drawOnQueue(request: DrawRequest, options: QueueOptions): Promise<void> {
  const { Queue } = await import("bullmq");
  const redis = await connectRedis(options.url);
  const queue = new Queue(QUEUE_NAME, { connection: redis });
  queue.on("error", () => {}); // The client reconnects by itself.
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
  /** Redis's reason for refusing the last renewal. */
  refusal?: unknown;
}

/** Claims the database. The claim holds as long as this process renews it. */
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

/** The queue and its connection. */
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
    // Outcomes that couldn't be removed now are listed again in the next round.
    if (finished.length === 0 || isLeft)
      await sleep(POLL_MS, undefined, signal ? { signal } : {}).catch(() => {});
    signal?.throwIfAborted();
    if (claim.refusal !== undefined && performance.now() - advanced > REFUSED_LIMIT_MS)
      throw claim.refusal;
    if (!isAttended && performance.now() - began > WORKER_PATIENCE_MS) {
      isAttended = true; // the warning comes only once
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

/** Puts jobs on the queue. Jobs that are already there stay unchanged. */
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

/** Removes the jobs that a killed evaluation left on the queue, and unreadable entries. */
async function removeForeign(place: Place, own: ReadonlyMap<string, DrawJob>): Promise<void> {
  for (const { id, job } of await jobsOn(place.queue)) {
    if (job === null || !own.has(id)) await remove(place, id);
  }
}

interface OnQueue {
  id: string;
  /** Null if the key in Redis holds something else. */
  job: Job | null;
}

/** Reads the jobs on the given lists (default: all lists), up to index `end` of each list. */
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

/**
 * Returns whether an error comes from a key's content: invalid JSON, not an object, or another Redis type.
 */
function isOfContent(error: unknown): boolean {
  return error instanceof SyntaxError || error instanceof TypeError || isWrongType(error);
}

/** Removes a job. Returns false if the job is still there, because a worker holds it or Redis refuses. */
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
