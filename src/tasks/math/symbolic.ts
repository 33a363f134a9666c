/** Symbolic equality with a time limit: a pair that takes longer counts as unequal. */
import { Worker } from "node:worker_threads";

const SCRIPT = new URL("../../../dist/tasks/math/symbolic-worker.js", import.meta.url);
const LIMIT_MS = 2000;
const MEMORY_MIB = 512;

/** A thread with the algebra system, started at the first pair and again after a timeout. */
export class SymbolicComparer implements AsyncDisposable {
  #worker: Promise<Worker> | null = null;
  #last: Promise<unknown> = Promise.resolve();

  /** False too when the pair takes longer than two seconds, or can't be read. */
  isEqual(a: string, b: string): Promise<boolean> {
    const result = this.#last.then(() => this.#compare(a, b));
    this.#last = result.catch(() => {});
    return result;
  }

  async #compare(a: string, b: string): Promise<boolean> {
    this.#worker ??= startWorker();
    const worker = await this.#worker;
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
    return false;
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
    worker.once("error", reject);
  });
}
