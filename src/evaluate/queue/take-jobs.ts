/** Takes jobs off a queue, several at a time, and returns their outcomes or puts them back. */
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker as Thread } from "node:worker_threads";
import type { Job } from "bullmq";
import { LlamaEtsError } from "../../engine/errors.js";
import { untilAborted } from "../../engine/until-aborted.js";
import type { Outcome } from "../draw-sample.js";
import { type Equipment, refusalOf } from "./equipment.js";
import type { LockedJob } from "./lock-thread.js";
import {
  jobSchema,
  MAX_LOST_WORKERS,
  type QueuedJob,
  type Redis,
  STALLED_CHECK_MS,
  whatIsWrong,
} from "./protocol.js";
import { LOCK_MS, QUEUE_NAME } from "./queue-names.js";

const LOCK_THREAD = new URL("../../../dist/evaluate/queue/lock-thread.js", import.meta.url);

/** The maximum time that an ended worker waits for Redis, which may be gone. */
const CLOSE_LIMIT_MS = 3_000;

export interface Taking {
  redis: Redis;
  /** The URL of Redis: `redis://host:6379`. */
  url: string;
  concurrency: number;
  own: Equipment;
  /** Returns whether another evaluation now uses the queue. */
  isAnother: () => Promise<boolean>;
  drawJob: (job: QueuedJob, withdrawn: AbortSignal | undefined) => Promise<Outcome>;
  ended: AbortController;
}

/** Draws jobs until another evaluation uses the queue. Rejects when the worker is ended. */
export async function takeJobs(taking: Taking): Promise<void> {
  const { redis, url, concurrency, own, isAnother, drawJob, ended } = taking;
  const { Worker, WaitingError } = await import("bullmq");
  const left = new AbortController();
  const locks = new Thread(LOCK_THREAD, { workerData: url, execArgv: [] });
  locks.unref();
  // Without the thread the worker still renews its locks, as long as it isn't blocked.
  locks.on("error", () => {});
  const lock = (locked: LockedJob) => locks.postMessage(locked);
  /** Puts a job that can't be drawn here or now back on the queue. */
  const giveBack = async (job: Job, token: string | undefined): Promise<never> => {
    await job.moveToWait(token);
    throw new WaitingError();
  };
  const draw = async (job: Job, token?: string, withdrawn?: AbortSignal): Promise<Outcome> => {
    const queued = jobOf(job.data);
    const id = job.id ?? queued.key;
    lock({ id, token: token ?? null });
    const goesOn = () => !ended.signal.aborted && !left.signal.aborted;
    try {
      if (goesOn() && (await isAnother())) left.abort();
      const refusal = goesOn() ? refusalOf(queued.work, own) : undefined;
      // The worker accepted the evaluation's work, so a job with other work isn't one of its jobs. Only this
      // job fails.
      if (refusal !== undefined) throw refusal;
      if (goesOn()) return await drawJob(queued, withdrawn);
    } catch (error) {
      // Here the job itself failed, or the evaluation has withdrawn it.
      if (!ended.signal.aborted) throw error;
    } finally {
      lock({ id, token: null });
    }
    return giveBack(job, token);
  };
  const worker = new Worker(QUEUE_NAME, draw, {
    connection: redis,
    concurrency,
    lockDuration: LOCK_MS,
    stalledInterval: STALLED_CHECK_MS,
    maxStalledCount: MAX_LOST_WORKERS,
  });
  worker.on("error", () => {}); // The client reconnects by itself.
  worker.on("lockRenewalFailed", (ids) => {
    for (const id of ids) worker.cancelJob(id);
  });
  try {
    const stop = AbortSignal.any([ended.signal, left.signal]);
    if (!stop.aborted) await once(stop, "abort");
    // Waits for the jobs in progress. They belong to an evaluation that has ended, and its resumed run can
    // use them.
    await untilAborted(() => worker.close(), ended.signal);
  } finally {
    await Promise.race([worker.close(), sleep(CLOSE_LIMIT_MS, undefined, { ref: false })]);
    await locks.terminate();
  }
}

/** Throws `ERR_QUEUE`. */
function jobOf(data: unknown): QueuedJob {
  const parsed = jobSchema.safeParse(data);
  if (parsed.success) return parsed.data;
  throw new LlamaEtsError("ERR_QUEUE", `Expected a sample to draw: ${whatIsWrong(parsed)}`);
}
