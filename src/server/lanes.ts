/** Which runs go on at once: those that fit into the shared context, first come, first served. */
import { ApiError } from "./errors.js";

/** What a run takes of the shared context. */
export interface RunSize {
  cells: number;
  sequences: number;
}

interface LaneOptions {
  /** What the shared context has; a run that needs more, or null, goes on alone. */
  capacity: RunSize;
  /** Runs at once. */
  parallel: number;
  /** Runs that may wait. */
  queue: number;
}

interface Waiting {
  size: RunSize | null;
  start: () => void;
}

/** How soon a client may try again, in seconds. */
const RETRY_AFTER = 1;

export class Lanes {
  readonly #options: LaneOptions;
  #waiting: Waiting[] = [];
  #running = 0;
  #isAlone = false;
  #cells = 0;
  #sequences = 0;
  #isClosed = false;
  #onIdle: (() => void)[] = [];

  constructor(options: LaneOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get running(): number {
    return this.#running;
  }

  get cells(): { used: number; total: number } {
    return { used: this.#cells, total: this.#options.capacity.cells };
  }

  /**
   * Refuses a request of `runs` runs for which there is no place. Throws an `ApiError` of status 429, or
   * 503 once the server is closing.
   */
  checkRoom(runs: number): void {
    if (this.#isClosed) {
      throw new ApiError(503, "server_closing", "The server is shutting down", {
        retryAfter: RETRY_AFTER,
      });
    }
    const { parallel, queue } = this.#options;
    if (this.#running + this.#waiting.length + runs <= parallel + queue) return;
    throw new ApiError(
      429,
      "queue_full",
      `${this.#running} runs go on and ${this.#waiting.length} wait, of at most ${queue}; ${runs} more find no place`,
      { retryAfter: RETRY_AFTER },
    );
  }

  /**
   * Waits until the run may go on; what it returns ends it. Rejects with the signal's reason.
   *
   * @param size null: not known, the run then goes on alone
   */
  enter(size: RunSize | null, signal: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(signal.reason);
      const waiting: Waiting = {
        size,
        start: () => {
          signal.removeEventListener("abort", leave);
          resolve(this.#begin(size));
        },
      };
      const leave = () => {
        this.#waiting = this.#waiting.filter((other) => other !== waiting);
        reject(signal.reason);
        this.#admit();
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.push(waiting);
      this.#admit();
    });
  }

  /** Admits no more requests, and waits for those that go on or wait. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#running + this.#waiting.length === 0) return;
    await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  /** In their order: a large run that waits is not overtaken for ever by small ones. */
  #admit(): void {
    for (let next = this.#waiting[0]; next && this.#fits(next.size); next = this.#waiting[0]) {
      this.#waiting.shift();
      next.start();
    }
    if (this.#running + this.#waiting.length > 0) return;
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  #fits(size: RunSize | null): boolean {
    if (this.#running === 0) return true;
    if (this.#isAlone || this.#needsAll(size)) return false;
    const { capacity, parallel } = this.#options;
    return (
      this.#running < parallel &&
      this.#cells + size.cells <= capacity.cells &&
      this.#sequences + size.sequences <= capacity.sequences
    );
  }

  #needsAll(size: RunSize | null): size is null {
    const { capacity } = this.#options;
    return size === null || size.cells > capacity.cells || size.sequences > capacity.sequences;
  }

  #begin(size: RunSize | null): () => void {
    const { cells, sequences } = size ?? { cells: 0, sequences: 0 };
    const isAlone = this.#needsAll(size);
    this.#running += 1;
    this.#cells += cells;
    this.#sequences += sequences;
    this.#isAlone ||= isAlone;
    let hasEnded = false;
    return () => {
      if (hasEnded) return;
      hasEnded = true;
      this.#running -= 1;
      this.#cells -= cells;
      this.#sequences -= sequences;
      if (isAlone) this.#isAlone = false;
      this.#admit();
    };
  }
}
