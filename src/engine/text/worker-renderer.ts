/** Renders templates in JavaScript, for machines without llama.cpp's own renderer. */
import { Worker } from "node:worker_threads";
import { messageOf } from "../errors.js";
import { TextFailure } from "./text-failure.js";

const SCRIPT = new URL("../../../dist/engine/text/template-worker.js", import.meta.url);
const SECONDS = 2;
const START_SECONDS = 30;
const MEBIBYTES = 256;

type Reply = "ready" | { text: string } | { error: string } | { isLarge: true };

/** A rendering thread. It starts with the first template, and starts again after a template has ended it. */
export class WorkerRenderer {
  readonly #seconds: number;
  #worker: Worker | undefined;
  #last: Promise<unknown> = Promise.resolve();

  /** @param seconds wall-clock limit of a request, per started mebibyte of the request */
  constructor(seconds = SECONDS) {
    this.#seconds = seconds;
  }

  /**
   * Renders a template. Throws `TextFailure`.
   *
   * @param date the day that the template uses as today, YYYY-MM-DD
   */
  render(
    template: string,
    context: Readonly<Record<string, unknown>>,
    date?: string,
  ): Promise<string> {
    const text = this.#last.then(() => this.#render(template, context, date));
    this.#last = text.catch(() => {});
    return text;
  }

  async #render(
    template: string,
    context: Readonly<Record<string, unknown>>,
    date: string | undefined,
  ): Promise<string> {
    if (this.#worker === undefined) {
      const started = start();
      this.#worker = started;
      await this.#exchange(started, START_SECONDS, () => {});
    }
    const worker = this.#worker;
    const size = template.length + JSON.stringify(context).length;
    const seconds = this.#seconds * (1 + Math.floor(size / 2 ** 20));
    const reply = await this.#exchange(worker, seconds, () =>
      worker.postMessage({ template, context, date }),
    );
    if (typeof reply === "object" && "text" in reply) return reply.text;
    if (typeof reply === "object" && "error" in reply) {
      throw new TextFailure("refused", reply.error);
    }
    throw new TextFailure("memory", "its text is too long for a prompt");
  }

  /** Calls `begin`, and waits for the thread's next message. Terminates the thread if it fails. */
  async #exchange(worker: Worker, seconds: number, begin: () => void): Promise<Reply> {
    worker.ref();
    let cleanUp = () => {};
    try {
      return await new Promise<Reply>((resolve, reject) => {
        const onError = (error: unknown) => reject(failureOf(error));
        const onExit = () => reject(new TextFailure("crash", "its thread has ended"));
        const late = () => reject(new TextFailure("time", `it takes more than ${seconds} s`));
        const patience = setTimeout(late, seconds * 1000);
        worker.once("message", resolve);
        worker.once("error", onError);
        worker.once("exit", onExit);
        cleanUp = () => {
          clearTimeout(patience);
          worker.off("message", resolve);
          worker.off("error", onError);
          worker.off("exit", onExit);
        };
        begin();
      });
    } catch (error) {
      this.#worker = undefined;
      worker.on("error", () => {}); // an error may still come while the thread ends
      await worker.terminate();
      throw error;
    } finally {
      cleanUp();
      worker.unref();
    }
  }
}

function start(): Worker {
  return new Worker(SCRIPT, {
    env: process.env.TZ === undefined ? {} : { TZ: process.env.TZ },
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: MEBIBYTES, maxYoungGenerationSizeMb: 16 },
  });
}

function failureOf(error: unknown): TextFailure {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code !== "ERR_WORKER_OUT_OF_MEMORY") return new TextFailure("crash", messageOf(error));
  return new TextFailure("memory", `it takes more than ${MEBIBYTES} MiB`);
}
