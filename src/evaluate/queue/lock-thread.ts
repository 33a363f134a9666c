/**
 * The thread that keeps a worker's jobs locked. A reward may block the worker's main thread for longer than a
 * lock lasts. Without this thread the job would go to another worker, as if this worker had died.
 */
import { parentPort, workerData } from "node:worker_threads";
import { Redis } from "ioredis";
import { LOCK_MS, QUEUE_NAME } from "./queue-names.js";

export interface LockedJob {
  id: string;
  /** The token of the worker's lock; null once the worker no longer has the job. */
  token: string | null;
}

/** Lua script that renews the lock if it is still held, and removes the job from the list of stalled jobs. */
const RENEW = `
  if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end
  redis.call("PEXPIRE", KEYS[1], ARGV[2])
  return redis.call("SREM", KEYS[2], ARGV[3])
`;

const prefix = `bull:${QUEUE_NAME}`;
const tokens = new Map<string, string>();
const redis = new Redis(String(workerData), { maxRetriesPerRequest: null });
redis.on("error", () => {}); // The client reconnects by itself.

parentPort?.on("message", ({ id, token }: LockedJob) => {
  if (token === null) tokens.delete(id);
  else tokens.set(id, token);
});

setInterval(() => {
  if (redis.status !== "ready") return;
  for (const [id, token] of tokens) {
    redis
      .eval(RENEW, 2, `${prefix}:${id}:lock`, `${prefix}:stalled`, token, LOCK_MS, id)
      .catch(() => {});
  }
}, LOCK_MS / 3);
