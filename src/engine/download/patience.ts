/** Repeats attempts that fail for reasons that may be temporary, a limited number of times. */
import { setTimeout as sleep } from "node:timers/promises";

/** Limits on the silence, the attempts and the waits of a download. */
export interface Patience {
  /** An attempt ends after this time without a byte, or after twice this time with less than 64 KiB. */
  silentMs: number;
  /** The waits between attempts. There is one more attempt than waits. */
  waitsMs: readonly number[];
  /** The longest wait that a server may ask for (`Retry-After`). */
  longestWaitMs: number;
}

/**
 * A download in which nothing arrives ends within three minutes: it makes five attempts with at most 20
 * seconds of silence each, and four waits of at most 15 seconds. A download that arrives too slowly ends
 * within five minutes. If the port refuses connections, it ends after 15 seconds.
 */
export const PATIENCE: Patience = {
  silentMs: 20_000,
  waitsMs: [1000, 2000, 4000, 8000],
  longestWaitMs: 15_000,
};

/** A failure that may be temporary. */
export class PassingFailure extends Error {
  readonly waitMs: number;
  /** Whether the attempt made progress. Then the count of failures starts again. */
  readonly gained: boolean;

  constructor(message: string, { waitMs = 0, gained = false, cause }: PassingOptions = {}) {
    super(message, { cause });
    this.waitMs = waitMs;
    this.gained = gained;
  }
}

interface PassingOptions {
  waitMs?: number;
  gained?: boolean;
  cause?: unknown;
}

/**
 * Repeats an attempt while it throws a `PassingFailure`. Throws the last one, any other error at once,
 * and the signal's reason after an abort.
 */
export async function persist<T>(
  attempt: () => Promise<T>,
  onRetry: (why: string) => void,
  patience: Patience,
  signal: AbortSignal | undefined,
): Promise<T> {
  const attempts = patience.waitsMs.length + 1;
  for (let failures = 0; ; ) {
    try {
      return await attempt();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof PassingFailure)) throw error;
      failures = error.gained ? 1 : failures + 1;
      const planned = patience.waitsMs[failures - 1];
      if (planned === undefined) throw error;
      const wait = Math.max(planned, Math.min(error.waitMs, patience.longestWaitMs));
      const seconds = Number((wait / 1000).toFixed(1));
      onRetry(`${error.message}; attempt ${failures + 1} of ${attempts} in ${seconds} s`);
      await sleep(wait, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
    }
  }
}
