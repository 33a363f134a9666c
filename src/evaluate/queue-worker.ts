/** A worker: draws samples that evaluations elsewhere have put on a queue. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Job } from "bullmq";
import { checkInteger, checkKeys, checkString } from "../engine/check.js";
import { LlamaEtsError } from "../engine/errors.js";
import { Model } from "../engine/model.js";
import { openReward } from "../rewards/named.js";
import { findTask, taskNames } from "../tasks/index.js";
import type { Task } from "../tasks/task.js";
import { refuseReserved } from "./configured-methods.js";
import { describeModel } from "./describe-run.js";
import { drawSample, type Outcome } from "./draw-sample.js";
import { DEFAULT_REWARD } from "./evaluate-options.js";
import {
  connectRedis,
  jobSchema,
  LOCK_MS,
  MAX_LOST_WORKERS,
  QUEUE_NAME,
  RUN_KEY,
  readAnnouncement,
  STALLED_CHECK_MS,
  type Work,
} from "./queue-protocol.js";
import { loweredMessage, onCores } from "./side-by-side.js";

/** An ended worker waits no longer for a Redis that may be gone. */
const CLOSE_LIMIT_MS = 3_000;

export interface WorkerOptions {
  /** The Redis server that evaluations put their samples on: `redis://host:6379`. */
  queue: string;
  /** ETS-IS: the model that draws the rollouts. */
  proposal?: Model;
  /** A task of one's own (`module:FILE`), besides those that come with the package. */
  task?: string;
  /** The reward, as the evaluation names it. Default "self-consistency". */
  reward?: string;
  /**
   * Runs side by side, each in a context of its own, from 1 to 64. Default 1. On the CPU it is lowered
   * to as many as the cores have threads for.
   */
  concurrency?: number;
  /** Aborting ends the worker: what it was drawing goes back to the queue. */
  signal?: AbortSignal;
  /** Called when a sample was drawn, or could not be. */
  onSample?: (sample: { item: string; method: string; error?: string }) => void;
  onWarning?: (message: string) => void;
  /** Called when Redis is lost and when it is back. */
  onConnection?: (isConnected: boolean) => void;
}

/** As `runWorker`. */
export async function workOnQueue(model: Model, options: WorkerOptions): Promise<never> {
  const { signal } = options;
  const { concurrency: asked, reward } = resolveWorkerOptions(options);
  const room = onCores(asked, model);
  if (room.limit !== null) options.onWarning?.(loweredMessage(asked, room));
  const own = {
    model: (await describeModel(model, signal)).sha256,
    proposal: options.proposal ? (await describeModel(options.proposal, signal)).sha256 : null,
    reward,
  };
  const task = options.task === undefined ? null : await findTask(options.task);
  await using opened =
    reward === DEFAULT_REWARD ? null : await openReward(reward, task ? rewardContext(task) : {});
  const { Worker, WaitingError } = await import("bullmq");
  const redis = await connectRedis(options.queue);
  const ended = new AbortController();
  const onAbort = () => ended.abort(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });

  /** What can't be drawn here goes back to the queue, for another worker. */
  const giveBack = async (job: Job, token: string | undefined): Promise<never> => {
    await job.moveToWait(token);
    throw new WaitingError();
  };
  const draw = async (
    job: Job,
    token?: string,
    withdrawn?: AbortSignal,
  ): Promise<Outcome | undefined> => {
    const { work, ...queued } = jobSchema.parse(job.data);
    const refusal = refusalOf(work, own, task);
    if (refusal !== undefined) {
      ended.abort(refusal);
      return giveBack(job, token);
    }
    refuseReserved(queued.options);
    try {
      const stops = [ended.signal, ...(withdrawn ? [withdrawn] : [])];
      const outcome = await drawSample(queued, {
        ...{ model, proposal: options.proposal, form: work.form },
        task: task?.name === work.task ? task : await findTask(work.task),
        reward: opened?.reward,
        signal: AbortSignal.any(stops),
      });
      const error = "error" in outcome ? outcome.error.message : undefined;
      const sample = { item: queued.item.id, method: queued.name };
      options.onSample?.(error === undefined ? sample : { ...sample, error });
      return outcome;
    } catch (error) {
      if (ended.signal.aborted) return giveBack(job, token);
      throw error; // The evaluation has withdrawn it.
    }
  };

  const announced = await redis.get(RUN_KEY);
  const announcement = announced === null ? null : readAnnouncement(announced);
  const refusal = announcement === null ? undefined : refusalOf(announcement, own, task);
  if (refusal !== undefined) {
    redis.disconnect();
    throw refusal;
  }
  const worker = new Worker(QUEUE_NAME, draw, {
    ...{ connection: redis, concurrency: room.concurrency, lockDuration: LOCK_MS },
    ...{ stalledInterval: STALLED_CHECK_MS, maxStalledCount: MAX_LOST_WORKERS },
  });
  worker.on("error", () => {}); // Lost connections come back by themselves.
  worker.on("lockRenewalFailed", (ids) => {
    for (const id of ids) worker.cancelJob(id);
  });
  redis.on("close", () => {
    if (!ended.signal.aborted) options.onConnection?.(false);
  });
  redis.on("ready", () => options.onConnection?.(true));
  try {
    await new Promise<never>((_, reject) => {
      const end = () => reject(ended.signal.reason);
      if (ended.signal.aborted) end();
      ended.signal.addEventListener("abort", end, { once: true });
    });
  } finally {
    signal?.removeEventListener("abort", onAbort);
    await Promise.race([worker.close(), sleep(CLOSE_LIMIT_MS, undefined, { ref: false })]);
    redis.disconnect();
  }
  throw new Error("unreachable: a worker ends by its signal");
}

function resolveWorkerOptions(options: WorkerOptions) {
  checkKeys("options", options, [
    ...["queue", "proposal", "task", "reward", "concurrency"],
    ...["signal", "onSample", "onWarning", "onConnection"],
  ]);
  const { proposal, concurrency = 1, reward = DEFAULT_REWARD } = options;
  if (proposal !== undefined && !(proposal instanceof Model)) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "Expected `proposal` to be a loaded model");
  }
  return {
    reward: checkString("reward", reward),
    concurrency: checkInteger("concurrency", concurrency, 1, 64),
  };
}

/** Why a worker can't draw for a run; undefined when it can. */
function refusalOf(
  work: Work,
  own: Pick<Work, "model" | "proposal" | "reward">,
  task: Task | null,
): LlamaEtsError | undefined {
  const refuse = (what: string, is: string, wanted: string, fix: string) =>
    new LlamaEtsError(
      "ERR_QUEUE",
      `The evaluation's ${what} is ${wanted}; this worker's is ${is}`,
      {
        fix,
      },
    );
  if (work.model !== own.model) {
    return refuse(
      "model",
      `SHA-256 ${own.model}`,
      `SHA-256 ${work.model}`,
      "-m with the same file",
    );
  }
  if (work.proposal !== null && work.proposal !== own.proposal) {
    const is = own.proposal === null ? "none" : `SHA-256 ${own.proposal}`;
    return refuse("proposal", is, `SHA-256 ${work.proposal}`, "--proposal with the same file");
  }
  // Files and modules that a queue names are not opened: only what the worker itself was told.
  if (work.reward !== own.reward) {
    return refuse("reward", own.reward, work.reward, `--reward '${work.reward}'`);
  }
  if (!taskNames().includes(work.task) && task?.name !== work.task) {
    return refuse("task", task?.name ?? "none of its own", work.task, "--task module:FILE");
  }
  return undefined;
}

function rewardContext(task: Task): Parameters<typeof openReward>[1] {
  return {
    extract: (text) => task.extract(text),
    ...(task.answerEnd && { answerEnd: task.answerEnd }),
  };
}
