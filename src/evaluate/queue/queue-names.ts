/** Names in Redis that evaluations, workers and their threads share, and how long locks last. */

export const QUEUE_NAME = "llama-ets";

/** A worker renews the lock of its job. A job whose lock has expired goes to another worker. */
export const LOCK_MS = 6_000;
