/** Symbolic equality with limits of time and memory. */
import { Worker } from "node:worker_threads";

const SCRIPT = new URL("../../../dist/tasks/math/symbolic-worker.js", import.meta.url);
const LIMIT_MS = 2000;
const MEMORY_MIB = 512;

/** Manages a thread with the algebra system. It starts with the first pair and again after a timeout. */
export class SymbolicComparer implements AsyncDisposable {
  #worker: Promise<Worker> | null = null;
  #last: Promise<unknown> = Promise.resolve();

  /**
   * Returns false also if the pair can't be parsed, and `null` if it exceeds two seconds or the memory limit.
   */
  isEqual(a: string, b: string): Promise<boolean | null> {
    const result = this.#last.then(() => this.#compare(a, b));
    this.#last = result.catch(() => {});
    return result;
  }

  async #compare(a: string, b: string): Promise<boolean | null> {
    this.#worker ??= startWorker();
    const worker = await this.#worker.catch((error) => {
      this.#worker = null; // the next pair tries again
      throw error;
    });
    const events = ["message", "error", "exit"];
    const answer = await new Promise<unknown>((resolve) => {
      const settle = (value: unknown) => {
        clearTimeout(limit);
        for (const event of events) worker.off(event, settle);
        resolve(value);
      };
      const limit = setTimeout(settle, LIMIT_MS, "timeout");
      for (const event of events) worker.once(event, settle);
      worker.postMessage([a, b]);
    });
    if (typeof answer === "boolean") return answer;
    this.#worker = null;
    await worker.terminate();
    return null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last;
    await (await this.#worker)?.terminate();
    this.#worker = null;
  }
}

function startWorker(): Promise<Worker> {
  const worker = new Worker(SCRIPT, {
    env: {},
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MIB },
  });
  return new Promise((resolve, reject) => {
    worker.once("message", () => resolve(worker));
    // This listener stays, because an error may also come while the thread is being ended.
    worker.on("error", reject);
  });
}
