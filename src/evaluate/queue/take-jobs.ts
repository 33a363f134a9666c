/** Takes jobs off a queue, several at a time, and answers them or gives them back. */
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Job } from "bullmq";
import { untilAborted } from "../../engine/until-aborted.js";
import type { Outcome } from "../draw-sample.js";
import { type Equipment, refusalOf } from "./equipment.js";
import {
  jobSchema,
  LOCK_MS,
  MAX_LOST_WORKERS,
  QUEUE_NAME,
  type QueuedJob,
  type Redis,
  STALLED_CHECK_MS,
} from "./protocol.js";

/** An ended worker waits no longer for a Redis that may be gone. */
const CLOSE_LIMIT_MS = 3_000;

export interface Taking {
  redis: Redis;
  concurrency: number;
  own: Equipment;
  /** Whether the queue has become another evaluation's. */
  isAnother: () => Promise<boolean>;
  drawJob: (job: QueuedJob, withdrawn: AbortSignal | undefined) => Promise<Outcome>;
  ended: AbortController;
}

/** Draws what is on the queue until it is another evaluation's; rejects when the worker is ended. */
export async function takeJobs(taking: Taking): Promise<void> {
  const { redis, concurrency, own, isAnother, drawJob, ended } = taking;
  const { Worker, WaitingError } = await import("bullmq");
  const left = new AbortController();
  /** What can't be drawn here, or not now, goes back to the queue. */
  const giveBack = async (job: Job, token: string | undefined): Promise<never> => {
    await job.moveToWait(token);
    throw new WaitingError();
  };
  const draw = async (job: Job, token?: string, withdrawn?: AbortSignal): Promise<Outcome> => {
    const queued = jobSchema.parse(job.data);
    const refusal = refusalOf(queued.work, own);
    if (refusal !== undefined) ended.abort(refusal);
    try {
      if (!ended.signal.aborted && (await isAnother())) left.abort();
      if (!ended.signal.aborted && !left.signal.aborted) return await drawJob(queued, withdrawn);
    } catch (error) {
      if (!ended.signal.aborted) throw error; // The evaluation has withdrawn it.
    }
    return giveBack(job, token);
  };
  const worker = new Worker(QUEUE_NAME, draw, {
    ...{ connection: redis, concurrency, lockDuration: LOCK_MS },
    ...{ stalledInterval: STALLED_CHECK_MS, maxStalledCount: MAX_LOST_WORKERS },
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
  }
}
