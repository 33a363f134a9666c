/** A worker: draws samples that evaluations elsewhere have put on a queue. */
import { setTimeout as sleep } from "node:timers/promises";
import {
  checkFunction,
  checkInteger,
  checkKeys,
  checkModel,
  checkSignal,
  checkString,
  checkStrings,
  optional,
} from "../../engine/check.js";
import type { Model } from "../../engine/engine.js";
import { untilAborted } from "../../engine/until-aborted.js";
import { DEFAULT_REWARD, openPotentials, openReward, parseReward } from "../../rewards/named.js";
import { findTask } from "../../tasks/index.js";
import { answersOf, type Task } from "../../tasks/task.js";
import { refuseReserved } from "../configured-methods.js";
import { type DrawContext, drawSample } from "../draw-sample.js";
import { checkQueue, MAX_CONCURRENCY } from "../evaluate-options.js";
import { openSideBySide } from "../side-by-side.js";
import { describeModel } from "../store/describe-run.js";
import { type Equipment, refusalOf } from "./equipment.js";
import type { Announcement, QueuedJob, Redis, Work } from "./protocol.js";

/** The queue that a worker takes jobs from, and what it draws them with. */
export interface WorkerOptions {
  /** The Redis server that evaluations put their samples on: `redis://host:6379`. */
  queue: string;
  /** ETS-IS: the model that draws the rollouts. */
  proposal?: Model;
  /** A custom task (`module:FILE`), in addition to the built-in ones. */
  task?: string;
  /** The reward, as the evaluation names it. Default "self-consistency". */
  reward?: string;
  /** The potentials and rewards that the evaluation's methods name. Default: none. */
  potentials?: readonly string[];
  /**
   * Number of concurrent runs, from 1 to 64, whose texts are decoded in one batch. Default 1. It is lowered
   * to what fits into memory and one context.
   */
  concurrency?: number;
  /** Aborting ends the worker. Its unfinished jobs go back to the queue. */
  signal?: AbortSignal;
  /** Called after each sample, drawn or failed. */
  onSample?: (sample: { item: string; method: string; error?: string }) => void;
  onWarning?: (message: string) => void;
  /** Called when the connection to Redis is lost and when it is back. */
  onConnection?: (isConnected: boolean) => void;
}

const POLL_MS = 300;
const UNREADABLE =
  "What is announced in Redis can't be read: an evaluation of another version? The worker waits for another one";

/** As `runWorker` of for-programs.ts, which documents the errors. */
export async function runWorker(model: Model, options: WorkerOptions): Promise<never> {
  checkModel("model", model);
  await using worker = await openWorker(options);
  return await worker.run(model);
}

/** A worker that is connected to its queue and lacks only its models. */
export interface OpenedWorker extends AsyncDisposable {
  /** @param proposal default: that of the worker's options */
  run(model: Model, proposal?: Model | null): Promise<never>;
}

/**
 * Opens everything of a worker that needs no model. Throws for wrong options, an unknown task, and a Redis
 * that doesn't answer or refuses.
 */
export async function openWorker(options: WorkerOptions): Promise<OpenedWorker> {
  const checked = checkOptions(options);
  const task = checked.task === undefined ? null : await findTask(checked.task);
  checked.signal?.throwIfAborted();
  // This loads zod, which takes as long to load as the rest of the package.
  const { connectRedis } = await import("./protocol.js");
  const redis = await connectRedis(checked.queue);
  return {
    run: (model, proposal = checked.proposal ?? null) =>
      drawUntilEnded({ ...checked, task, redis, model, proposal }),
    async [Symbol.asyncDispose]() {
      redis.disconnect();
    },
  };
}

interface Working extends Omit<ReturnType<typeof checkOptions>, "task" | "proposal"> {
  task: Task | null;
  redis: Redis;
  model: Model;
  proposal: Model | null;
}

/** Draws for one evaluation after another, until the signal ends it or it must refuse an evaluation. */
async function drawUntilEnded(working: Working): Promise<never> {
  const { queue, concurrency, reward, redis, model, proposal } = working;
  const { signal, onWarning, onConnection } = working;
  const { asQueueError } = await import("./protocol.js");
  const { takeJobs } = await import("./take-jobs.js");
  const own: Equipment = {
    task: working.task,
    reward,
    potentials: working.potentials,
    model: (await describeModel(model, signal)).sha256,
    proposal: proposal ? (await describeModel(proposal, signal)).sha256 : null,
  };
  const context = { ...(own.task && answersOf(own.task)), ...(signal && { signal }) };
  await using opened = reward === DEFAULT_REWARD ? null : await openReward(reward, context);
  await using potentials = await openPotentials(own.potentials, context);
  const ended = new AbortController();
  const onAbort = () => ended.abort(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  redis.on("close", () => {
    if (!ended.signal.aborted) onConnection?.(false);
  });
  redis.on("ready", () => onConnection?.(true));

  const judges = { reward: opened?.reward, named: potentials.byName };
  const { contextOf, drawJob } = drawing(working, own, judges, ended.signal);
  const { announcedNow, nextAnnounced } = await announcements(redis, ended.signal, onWarning);
  const openRoom = async (announcement: Announcement) =>
    openSideBySide(concurrency, announcement.longest, {
      ...(await contextOf(announcement, ended.signal)),
      onWarning,
    });

  try {
    if (signal?.aborted) onAbort();
    for (;;) {
      const { text, announcement } = await nextAnnounced();
      const refusal = refusalOf(announcement, own);
      if (refusal) throw refusal;
      await using room = await openRoom(announcement);
      const isAnother = async () => {
        const now = await announcedNow();
        return now !== null && now !== text;
      };
      await takeJobs({
        redis,
        url: queue,
        own,
        isAnother,
        drawJob,
        ended,
        concurrency: room.concurrency,
      });
    }
  } catch (error) {
    throw asQueueError(queue, error);
  } finally {
    signal?.removeEventListener("abort", onAbort);
    ended.abort();
  }
}

/** Returns readers of the evaluation's announcement, which comes before its jobs. */
async function announcements(
  redis: Redis,
  ended: AbortSignal,
  onWarning: WorkerOptions["onWarning"],
) {
  const { isWrongType, readAnnouncement, RUN_KEY } = await import("./protocol.js");
  /**
   * Reads the announcement. Returns null if there is none or the key holds no text; the evaluation writes it
   * again.
   */
  const announcedNow = () =>
    untilAborted(() => redis.get(RUN_KEY), ended).catch((error) => {
      if (isWrongType(error)) return null;
      throw error;
    });
  /** Waits until an announcement can be read. */
  const nextAnnounced = async () => {
    for (let unread: string | null = null; ; ) {
      const text = await announcedNow();
      const announcement = text === null ? null : readAnnouncement(text);
      if (text !== null && announcement !== null) return { text, announcement };
      if (text !== null && text !== unread) onWarning?.(UNREADABLE);
      unread = text;
      await untilAborted(() => sleep(POLL_MS), ended);
    }
  };
  return { announcedNow, nextAnnounced };
}

/** Returns how the worker draws jobs of the queue. */
function drawing(
  { model, proposal, onSample }: Pick<Working, "model" | "proposal" | "onSample">,
  own: Equipment,
  judges: Pick<DrawContext, "reward" | "named">,
  ended: AbortSignal,
) {
  const contextOf = async (work: Work, until: AbortSignal): Promise<DrawContext> => ({
    model,
    proposal: proposal ?? undefined,
    form: work.form,
    keep: work.keep,
    task: own.task?.name === work.task ? own.task : await findTask(work.task),
    ...judges,
    signal: until,
  });
  const drawJob = async ({ work, ...job }: QueuedJob, withdrawn: AbortSignal | undefined) => {
    refuseReserved(job.options);
    const until = AbortSignal.any([ended, ...(withdrawn ? [withdrawn] : [])]);
    const outcome = await drawSample(job, await contextOf(work, until));
    const error = "error" in outcome ? outcome.error.message : undefined;
    onSample?.({ item: job.item.id, method: job.name, ...(error !== undefined && { error }) });
    return outcome;
  };
  return { contextOf, drawJob };
}

function checkOptions(options: WorkerOptions) {
  checkKeys("options", options, [
    "queue",
    "proposal",
    "task",
    "reward",
    "potentials",
    "concurrency",
    "signal",
    "onSample",
    "onWarning",
    "onConnection",
  ]);
  const { concurrency = 1, reward = DEFAULT_REWARD, potentials = [] } = options;
  parseReward(reward);
  for (const name of checkStrings("potentials", potentials)) parseReward(name, "potentials");
  return {
    reward,
    potentials,
    queue: checkQueue("queue", options.queue),
    concurrency: checkInteger("concurrency", concurrency, 1, MAX_CONCURRENCY),
    proposal: optional(checkModel, "proposal", options.proposal),
    task: optional(checkString, "task", options.task),
    signal: optional(checkSignal, "signal", options.signal),
    onSample: optional(checkFunction, "onSample", options.onSample),
    onWarning: optional(checkFunction, "onWarning", options.onWarning),
    onConnection: optional(checkFunction, "onConnection", options.onConnection),
  };
}
