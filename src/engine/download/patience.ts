/** Attempts that are repeated while what fails may pass: how often, and for how long. */
import { setTimeout as sleep } from "node:timers/promises";

export interface Patience {
  /** Milliseconds without a byte, or twice as many with less than 64 KiB, that end an attempt. */
  silentMs: number;
  /** The waits between attempts; one attempt more than there are waits. */
  waitsMs: readonly number[];
  /** The longest wait that a server may ask for (`Retry-After`). */
  longestWaitMs: number;
}

/**
 * A download ends within three minutes in which nothing comes: five attempts, each silent for at
 * most 20 seconds, and four waits of at most 15. One that drips ends within five. A port that refuses is given up after 15 seconds.
 */
export const PATIENCE: Patience = {
  silentMs: 20_000,
  waitsMs: [1000, 2000, 4000, 8000],
  longestWaitMs: 15_000,
};

/** A failure that may pass. */
export class PassingFailure extends Error {
  readonly waitMs: number;
  /** The attempt got on, so that the next one is the first again. */
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

/** Throws the last `PassingFailure`, any other error at once, and the signal's reason when aborted. */
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
