/**
 * The thread that keeps a worker's jobs locked. A reward may block the worker's own thread for longer
 * than a lock lasts, and the job would go to another worker as if this one had died.
 */
import { parentPort, workerData } from "node:worker_threads";
import { Redis } from "ioredis";
import { LOCK_MS, QUEUE_NAME } from "./queue-names.js";

export interface LockedJob {
  id: string;
  /** The worker's name for its lock; null once the job is no longer its. */
  token: string | null;
}

/** Renews the lock if it is still held, and takes the job off the list of those that may be lost. */
const RENEW = `
  if redis.call("GET", KEYS[1]) ~= ARGV[1] then return 0 end
  redis.call("PEXPIRE", KEYS[1], ARGV[2])
  return redis.call("SREM", KEYS[2], ARGV[3])
`;

const prefix = `bull:${QUEUE_NAME}`;
const tokens = new Map<string, string>();
const redis = new Redis(String(workerData), { maxRetriesPerRequest: null });
redis.on("error", () => {}); // Lost connections come back by themselves.

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
