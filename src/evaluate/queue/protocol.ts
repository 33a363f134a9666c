/**
 * The messages of evaluations and workers through Redis. Only one evaluation at a time uses a database. The
 * ids of its jobs are the keys of their samples, so that no job is put or taken twice.
 */
import { z } from "zod";
import { LlamaEtsError, messageOf } from "../../engine/errors.js";
import { METHOD_NAMES } from "../../methods/registry.js";
import { drawnSchema, failureSchema, keptSchema } from "../store/run-files.js";

/** The Redis key that says which evaluation uses the database. It expires unless the evaluation renews it. */
export const RUN_KEY = "llama-ets:run";
export const RUN_EXPIRES_MS = 15_000;

export const STALLED_CHECK_MS = 3_000;
/** A job that has lost this many workers counts as failed, since it may be what kills them. */
export const MAX_LOST_WORKERS = 3;

/** A key that is written first, to detect a read-only Redis at once. */
const PROBE_KEY = "llama-ets:probe";
const CONNECT_LIMIT_MS = 5_000;
/** The maximum number of characters shown of Redis' error messages. Some of them repeat the whole command. */
const MAX_REASON = 200;
const MAX_RETRY_DELAY_MS = 2_000;

/** What all jobs of a run share. A worker with other settings refuses them. */
const workSchema = z.object({
  task: z.string(),
  form: z.enum(["chat", "paper"]),
  reward: z.string(),
  /** The names of the potentials and rewards that single methods have. */
  potentials: z.array(z.string()).default([]),
  keep: keptSchema.default("none"),
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

/** `longest` are the jobs with the longest prompts, for which workers reserve memory of concurrent runs. */
const announcementSchema = workSchema.extend({
  owner: z.string(),
  longest: z.array(drawJobSchema),
});

export const outcomeSchema = z.union([
  z.object({ error: failureSchema }),
  z.object({ drawn: drawnSchema }),
]);

/**
 * The work of a run: SHA-256 of the models, and the names of the task, of the prompts' form and of the
 * reward.
 */
export type Work = z.infer<typeof workSchema>;
export type QueuedJob = z.infer<typeof jobSchema>;
export type Announcement = z.infer<typeof announcementSchema>;

/** Parses an announcement; null if the text isn't one. */
export function readAnnouncement(text: string): Announcement | null {
  try {
    return announcementSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

/** Describes the first issue of an invalid value. */
export function whatIsWrong({ error }: { error: z.ZodError }): string {
  const [issue] = error.issues;
  const place = issue?.path.join(".") ?? "";
  return place === "" ? `${issue?.message}` : `${place}: ${issue?.message}`;
}

/** Returns whether Redis refused a command because the key holds a value of another type. */
export function isWrongType(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("WRONGTYPE");
}

/** Converts a refusal by Redis to `ERR_QUEUE` with Redis' reason. Returns any other error unchanged. */
export function asQueueError(url: string, error: unknown): unknown {
  if (!(error instanceof Error && error.name === "ReplyError")) return error;
  const [reason = ""] = error.message.split("\n");
  return new LlamaEtsError(
    "ERR_QUEUE",
    `Redis at ${new URL(url).host} refused: ${reason.slice(0, MAX_REASON)}`,
    { fix: fixOf(reason), cause: error },
  );
}

function fixOf(reason: string): string {
  if (/^(NOAUTH|WRONGPASS|NOPERM)/.test(reason)) return "redis://USER:PASSWORD@HOST:PORT";
  if (reason.startsWith("WRONGTYPE")) return "a database of its own: redis://HOST:PORT/1";
  return "a Redis that may be written to, with memory to spare";
}

/**
 * Opens a connection that reconnects by itself. Throws `ERR_QUEUE` if no Redis answers, or if Redis refuses
 * the password, the database or writes.
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
  const connected = async () => {
    await redis.connect();
    // The client would silently continue with database 0 if Redis refuses another one.
    await redis.select(redis.options.db ?? 0);
    await redis.set(PROBE_KEY, "", "PX", 1);
  };
  try {
    await Promise.race([connected(), limit]);
    return redis;
  } catch (error) {
    redis.disconnect();
    for (const reason of [failure, error]) {
      const refusal = asQueueError(url, reason);
      if (refusal !== reason) throw refusal;
    }
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
