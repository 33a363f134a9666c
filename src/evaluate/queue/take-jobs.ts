/** Takes jobs off a queue, several at a time, and answers them or gives them back. */
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

/** An ended worker waits no longer for a Redis that may be gone. */
const CLOSE_LIMIT_MS = 3_000;

export interface Taking {
  redis: Redis;
  /** Where the Redis is: `redis://host:6379`. */
  url: string;
  concurrency: number;
  own: Equipment;
  /** Whether the queue has become another evaluation's. */
  isAnother: () => Promise<boolean>;
  drawJob: (job: QueuedJob, withdrawn: AbortSignal | undefined) => Promise<Outcome>;
  ended: AbortController;
}

/** Draws what is on the queue until it is another evaluation's; rejects when the worker is ended. */
export async function takeJobs(taking: Taking): Promise<void> {
  const { redis, url, concurrency, own, isAnother, drawJob, ended } = taking;
  const { Worker, WaitingError } = await import("bullmq");
  const left = new AbortController();
  const locks = new Thread(LOCK_THREAD, { workerData: url, execArgv: [] });
  locks.unref();
  locks.on("error", () => {}); // The worker renews its locks itself, as long as it isn't blocked.
  const lock = (locked: LockedJob) => locks.postMessage(locked);
  /** What can't be drawn here, or not now, goes back to the queue. */
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
      // The evaluation asks for what is here: a job that doesn't is none of its jobs, and fails alone.
      if (refusal !== undefined) throw refusal;
      if (goesOn()) return await drawJob(queued, withdrawn);
    } catch (error) {
      if (!ended.signal.aborted) throw error; // The evaluation has withdrawn it.
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
  worker.on("error", () => {}); // Lost connections come back by themselves.
  worker.on("lockRenewalFailed", (ids) => {
    for (const id of ids) worker.cancelJob(id);
  });
  try {
    const stop = AbortSignal.any([ended.signal, left.signal]);
    if (!stop.aborted) await once(stop, "abort");
    // What is under way belongs to an evaluation that has ended, and to whoever goes on with it.
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
