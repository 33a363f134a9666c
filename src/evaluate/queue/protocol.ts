/**
 * What evaluations and workers say to one another through Redis. One evaluation at a time uses a
 * database; its jobs are named by their samples' keys, so that none is put or taken twice.
 */
import { z } from "zod";
import { LlamaEtsError, messageOf } from "../../engine/errors.js";
import { METHOD_NAMES } from "../../methods/registry.js";
import { drawnSchema, failureSchema } from "../store/run-files.js";

export const QUEUE_NAME = "llama-ets";
/** Says which evaluation uses the database; it expires unless it is renewed. */
export const RUN_KEY = "llama-ets:run";
export const RUN_EXPIRES_MS = 15_000;

/** A worker renews the lock of its job; a job whose lock has expired goes to another worker. */
export const LOCK_MS = 6_000;
export const STALLED_CHECK_MS = 3_000;
/** Workers that a job may lose before it counts as failed: it may be what kills them. */
export const MAX_LOST_WORKERS = 3;

const CONNECT_LIMIT_MS = 5_000;
const MAX_RETRY_DELAY_MS = 2_000;

/** What all jobs of a run share; a worker that differs refuses them. */
const workSchema = z.object({
  task: z.string(),
  form: z.enum(["chat", "paper"]),
  reward: z.string(),
  /** What the methods' potentials are named. */
  potentials: z.array(z.string()).default([]),
  model: z.string(),
  proposal: z.string().nullable(),
});

const drawJobSchema = z.object({
  key: z.string(),
  item: z.object({
    id: z.string(),
    prompt: z.string(),
    gold: z.string(),
    choices: z.array(z.string()).exactOptional(),
    entryPoint: z.string().exactOptional(),
    row: z.record(z.string(), z.json()).exactOptional(),
  }),
  name: z.string(),
  method: z.enum(METHOD_NAMES),
  options: z.record(z.string(), z.json()),
  sample: z.int().min(0),
  seed: z.int().min(0),
});

export const jobSchema = drawJobSchema.extend({ work: workSchema });

/** `longest`: jobs by which workers make room for runs side by side. */
const announcementSchema = workSchema.extend({
  owner: z.string(),
  longest: z.array(drawJobSchema),
});

export const outcomeSchema = z.union([
  z.object({ error: failureSchema }),
  z.object({ drawn: drawnSchema }),
]);

/** The SHA-256 of the models, and the names of the task, its prompts' form and the reward. */
export type Work = z.infer<typeof workSchema>;
export type QueuedJob = z.infer<typeof jobSchema>;
export type Announcement = z.infer<typeof announcementSchema>;

/** The evaluation that uses the database; null where the text announces none. */
export function readAnnouncement(text: string): Announcement | null {
  try {
    return announcementSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

/**
 * A connection that comes back by itself when it is lost. Throws `ERR_QUEUE` when there is none.
 */
export async function connectRedis(url: string) {
  const { Redis } = await import("ioredis");
  const redis = new Redis(url, {
    lazyConnect: true,
    maxRetriesPerRequest: null,
    retryStrategy: (attempts) => Math.min(100 * attempts, MAX_RETRY_DELAY_MS),
  });
  let failure: unknown = new Error(`no answer within ${CONNECT_LIMIT_MS / 1000} s`);
  const onError = (error: unknown) => {
    failure = error;
  };
  redis.on("error", onError);
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(failure), CONNECT_LIMIT_MS);
  });
  try {
    await Promise.race([redis.connect().then(() => redis.ping()), limit]);
    return redis;
  } catch (error) {
    redis.disconnect();
    const { host } = new URL(url);
    throw new LlamaEtsError("ERR_QUEUE", `No Redis at ${host}: ${messageOf(error)}`, {
      fix: "redis-server, or another --queue",
      cause: error,
    });
  } finally {
    clearTimeout(timer);
  }
}

export type Redis = Awaited<ReturnType<typeof connectRedis>>;
