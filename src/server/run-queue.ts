/**
 * Decides in a fair order which runs go on concurrently: those that fit into the shared contexts of their
 * models.
 */
import type { ContextPart } from "../planning/contexts.js";
import { ApiError, RETRY_AFTER } from "./errors.js";

/** What a run needs of a model's contexts. */
export interface RunSize {
  /** The index of the model in `RunQueueOptions.models`. */
  model: number;
  /**
   * The run's parts of the shared contexts, in their order. "apart" means its own contexts, for which memory
   * suffices only once.
   */
  parts: readonly ContextPart[] | "apart";
}

/** The room that all runs of a model share. */
interface ModelRoom {
  /** The capacity of each shared context. */
  capacity: readonly ContextPart[];
  /** The maximum number of concurrent runs of the model. */
  parallel: number;
}

interface RunQueueOptions {
  models: readonly ModelRoom[];
  /** Whether only one model may compute at a time. */
  inTurns?: boolean;
  /** The maximum number of concurrent runs of all models. */
  parallel: number;
  /** The maximum number of waiting runs. */
  queue: number;
}

interface Waiting {
  size: RunSize;
  request: AbortSignal;
  /** The number of runs that started although it was this run's turn. */
  overtaken: number;
  start: () => void;
}

/** A request with waiting or active runs. */
interface Going {
  waiting: number;
  running: number;
  /** The logical time when the request came, or when one of its runs last began or ended. */
  served: number;
}

/** The number of times that others may overtake a run without room, before room is kept for it. */
const MOST_OVERTAKEN = 16;

export class RunQueue {
  readonly #options: RunQueueOptions;
  #waiting: Waiting[] = [];
  /** By model: the number of active runs, and what they use of the shared contexts. */
  readonly #going: { running: number; used: { cells: number; sequences: number }[] }[];
  #isApartTaken = false;
  readonly #requests = new Map<AbortSignal, Going>();
  /** A logical clock that counts arrivals, starts and ends. */
  #now = 0;
  #isClosed = false;
  #onIdle: (() => void)[] = [];

  constructor(options: RunQueueOptions) {
    this.#options = options;
    this.#going = options.models.map(({ capacity }) => {
      return { running: 0, used: capacity.map(() => ({ cells: 0, sequences: 0 })) };
    });
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get running(): number {
    return this.#going.reduce((sum, { running }) => sum + running, 0);
  }

  /** Whether a run is active in its own contexts. */
  get isApartTaken(): boolean {
    return this.#isApartTaken;
  }

  /** The cells of the models' shared contexts, without those of the proposals. */
  get cells(): { used: number; total: number } {
    const sumOf = (all: readonly (readonly ContextPart[])[]) =>
      all.reduce((sum, [own]) => sum + (own?.cells ?? 0), 0);
    return {
      used: sumOf(this.#going.map(({ used }) => used)),
      total: sumOf(this.#options.models.map(({ capacity }) => capacity)),
    };
  }

  /**
   * Refuses a request of `runs` runs if the queue has no room. Throws an `ApiError` of status 429, or 503
   * once the server is closing.
   */
  checkRoom(runs: number): void {
    if (this.#isClosed) {
      throw new ApiError(503, "server_closing", "The server is shutting down", {
        retryAfter: RETRY_AFTER,
      });
    }
    const { parallel, queue } = this.#options;
    if (this.running + this.#waiting.length + runs <= parallel + queue) return;
    throw new ApiError(
      429,
      "queue_full",
      `${this.running} runs go on and ${this.#waiting.length} wait, of at most ${queue}; ${runs} more find no place`,
      { retryAfter: RETRY_AFTER },
    );
  }

  /**
   * Waits until the run may start. Returns a function to call when the run ends. Rejects with the signal's
   * reason.
   *
   * @param request the signal of the request, which all its runs share. The waiting request with the fewest
   *   active runs is next; on a tie it is the one that was served the longest ago
   */
  enter(size: RunSize, request: AbortSignal): Promise<() => void> {
    return new Promise((resolve, reject) => {
      if (request.aborted) return reject(request.reason);
      const waiting: Waiting = {
        size,
        request,
        overtaken: 0,
        start: () => {
          request.removeEventListener("abort", leave);
          const end = this.#begin(waiting);
          this.#take(waiting);
          resolve(end);
        },
      };
      const leave = () => {
        this.#take(waiting);
        reject(request.reason);
        this.#admit();
      };
      request.addEventListener("abort", leave, { once: true });
      this.#waiting.push(waiting);
      const known = this.#requests.get(request);
      if (known !== undefined) known.waiting += 1;
      else this.#requests.set(request, { waiting: 1, running: 0, served: ++this.#now });
      this.#admit();
    });
  }

  /** Removes a run from the queue. */
  #take(waiting: Waiting): void {
    this.#waiting = this.#waiting.filter((other) => other !== waiting);
    this.#count(waiting.request, { waiting: -1 });
  }

  #count(request: AbortSignal, { waiting = 0, running = 0 }: Partial<Going>): void {
    const going = this.#requests.get(request);
    if (going === undefined) return;
    going.waiting += waiting;
    going.running += running;
    if (running !== 0) going.served = ++this.#now;
    if (going.waiting + going.running === 0) this.#requests.delete(request);
  }

  /** Admits no more requests, and waits for the active and waiting ones. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.running + this.#waiting.length === 0) return;
    await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  #admit(): void {
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      next.start();
    }
    if (this.running + this.#waiting.length > 0) return;
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  /**
   * Returns the first run in turn for which there is room. It overtakes the runs before it. A run that was
   * overtaken often enough can't be overtaken any more, so that room for it accumulates. A run in its own
   * contexts waits only for another such run and delays nobody. If models take turns, runs of one model wait
   * for those of another.
   */
  #next(): Waiting | undefined {
    if (this.running >= this.#options.parallel) return undefined;
    const passed: Waiting[] = [];
    /** Models whose room is kept for one of their waiting runs. */
    const kept = new Set<number>();
    for (const next of this.#inTurn()) {
      const { model, parts } = next.size;
      if (parts === "apart" ? this.#isApartTaken : kept.has(model)) continue;
      if (this.#options.inTurns === true && kept.size > 0 && !kept.has(model)) continue;
      if (this.#fits(next.size)) {
        for (const one of passed) one.overtaken += 1;
        return next;
      }
      if (next.overtaken >= MOST_OVERTAKEN) kept.add(model);
      else passed.push(next);
    }
    return undefined;
  }

  #inTurn(): Waiting[] {
    const of = ({ request }: Waiting) => this.#requests.get(request) ?? { running: 0, served: 0 };
    return this.#waiting.toSorted((one, other) => {
      const [a, b] = [of(one), of(other)];
      return a.running - b.running || a.served - b.served;
    });
  }

  #fits({ model, parts }: RunSize): boolean {
    const [going, limits] = [this.#going[model], this.#options.models[model]];
    if (going === undefined || limits === undefined) return false;
    if (going.running >= limits.parallel) return false;
    if (this.#options.inTurns === true && this.running > going.running) return false;
    if (parts === "apart") return true;
    return parts.every(({ cells, sequences }, i) => {
      const [used, capacity] = [going.used[i], limits.capacity[i]];
      if (used === undefined || capacity === undefined) return false;
      return (
        used.cells + cells <= capacity.cells && used.sequences + sequences <= capacity.sequences
      );
    });
  }

  #begin({ size, request }: Waiting): () => void {
    this.#occupy(size, request, 1);
    let hasEnded = false;
    return () => {
      if (hasEnded) return;
      hasEnded = true;
      this.#occupy(size, request, -1);
      this.#admit();
    };
  }

  #occupy({ model, parts }: RunSize, request: AbortSignal, sign: 1 | -1): void {
    const going = this.#going[model];
    if (going === undefined) throw new Error("Expected a model of the queue");
    going.running += sign;
    this.#count(request, { running: sign });
    if (parts === "apart") {
      this.#isApartTaken = sign > 0;
      return;
    }
    for (const [i, { cells, sequences }] of parts.entries()) {
      const used = going.used[i];
      if (used === undefined) continue;
      used.cells += sign * cells;
      used.sequences += sign * sequences;
    }
  }
}
