/** A worker: draws samples that evaluations elsewhere have put on a queue. */
import { checkInteger, checkKeys, checkString } from "../engine/check.js";
import { LlamaEtsError } from "../engine/errors.js";
import { Model } from "../engine/local/model.js";
import { untilAborted } from "../engine/until-aborted.js";
import { openReward } from "../rewards/named.js";
import { findTask } from "../tasks/index.js";
import type { Task } from "../tasks/task.js";
import { refuseReserved } from "./configured-methods.js";
import { describeModel } from "./describe-run.js";
import { type DrawContext, drawSample } from "./draw-sample.js";
import { type Equipment, refusalOf } from "./equipment.js";
import { DEFAULT_REWARD } from "./evaluate-options.js";
import {
  type Announcement,
  connectRedis,
  type QueuedJob,
  RUN_KEY,
  readAnnouncement,
  type Work,
} from "./queue-protocol.js";
import { openSideBySide } from "./side-by-side.js";
import { takeJobs } from "./take-jobs.js";

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
   * Runs side by side, from 1 to 64, whose texts are decoded together. Default 1. It is lowered to
   * what fits into memory and one context.
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
  const { concurrency, reward } = resolveWorkerOptions(options);
  const own: Equipment = {
    model: (await describeModel(model, signal)).sha256,
    proposal: options.proposal ? (await describeModel(options.proposal, signal)).sha256 : null,
    reward,
    task: options.task === undefined ? null : await findTask(options.task),
  };
  await using opened =
    reward === DEFAULT_REWARD ? null : await openReward(reward, rewardContext(own.task));
  const redis = await connectRedis(options.queue);
  /** Aborted by the signal, or by a job that this worker must refuse. */
  const ended = new AbortController();
  const onAbort = () => ended.abort(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  redis.on("close", () => {
    if (!ended.signal.aborted) options.onConnection?.(false);
  });
  redis.on("ready", () => options.onConnection?.(true));

  const contextOf = async (work: Work, until: AbortSignal): Promise<DrawContext> => ({
    ...{ model, proposal: options.proposal, form: work.form },
    task: own.task?.name === work.task ? own.task : await findTask(work.task),
    reward: opened?.reward,
    signal: until,
  });
  const announcedNow = () => untilAborted(() => redis.get(RUN_KEY), ended.signal);
  const openRoom = async (announcement: Announcement) =>
    openSideBySide(concurrency, announcement.longest, {
      ...(await contextOf(announcement, ended.signal)),
      onWarning: options.onWarning,
    });
  const drawJob = async (job: QueuedJob, withdrawn: AbortSignal | undefined) => {
    const { work, ...queued } = job;
    refuseReserved(queued.options);
    const until = AbortSignal.any([ended.signal, ...(withdrawn ? [withdrawn] : [])]);
    const outcome = await drawSample(queued, await contextOf(work, until));
    const error = "error" in outcome ? outcome.error.message : undefined;
    const sample = { item: queued.item.id, method: queued.name };
    options.onSample?.(error === undefined ? sample : { ...sample, error });
    return outcome;
  };

  try {
    if (signal?.aborted) onAbort();
    for (;;) {
      const announced = await announcedNow();
      const announcement = announced === null ? null : readAnnouncement(announced);
      const refusal = announcement && refusalOf(announcement, own);
      if (refusal) throw refusal;
      await using room = announcement && (await openRoom(announcement));
      const isAnother = async () => {
        const now = await announcedNow();
        return now !== null && now !== announced;
      };
      const sideBySide = room?.concurrency ?? 1; // nobody has said what its runs need
      await takeJobs({ redis, concurrency: sideBySide, own, isAnother, drawJob, ended });
    }
  } finally {
    signal?.removeEventListener("abort", onAbort);
    ended.abort();
    redis.disconnect();
  }
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

function rewardContext(task: Task | null): Parameters<typeof openReward>[1] {
  if (task === null) return {};
  return {
    extract: (text) => task.extract(text),
    ...(task.answerEnd && { answerEnd: task.answerEnd }),
  };
}
