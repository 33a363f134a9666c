/** The app's end of the connection to an engine's process, for asynchronous and synchronous calls. */
import { existsSync } from "node:fs";
import { MessageChannel, receiveMessageOnPort, Worker } from "node:worker_threads";
import { LlamaEtsError, messageOf } from "../errors.js";
import type { LoadProgress } from "../load-progress.js";
import {
  type Answered,
  type Asked,
  type Call,
  type FromEngine,
  type HolderData,
  type Holding,
  MODEL,
  type ModelFacts,
  type PackedEntries,
  type Reply,
  type Shown,
  type ToHolder,
  unpackError,
} from "./protocol.js";
import { decode, encode, type Ref } from "./wire.js";

const SCRIPT = new URL("../../../dist/engine/isolated/engine-holder.js", import.meta.url);

/** A reference to an object of one engine's process. It is invalid after the end of that process. */
export interface Remote {
  readonly ref: Ref;
  readonly process: number | null;
}

/** Throws `ERR_ENGINE_FAILED` if the directory was removed: Node starts no thread there. */
function workingDirectory(): string {
  let directory = "";
  try {
    directory = process.cwd();
  } catch {}
  if (existsSync(directory)) return directory;
  throw new LlamaEtsError(
    "ERR_ENGINE_FAILED",
    "An isolated engine can't start where the working directory was removed",
    { fix: "a working directory that exists" },
  );
}

const THE_MODEL: Remote = { ref: MODEL, process: null };

/** Callbacks of a call. */
interface Around {
  /** Receives the call's progress. */
  watch?: ((shown: Shown) => void) | undefined;
  /** Convert objects of the engine's process to references, and references to objects. */
  refOf?(value: object): Ref | undefined;
  objectOf?(ref: Ref): unknown;
}

interface Waiting extends Around {
  resolve(reply: { value: unknown; process: number }): void;
  reject(error: unknown): void;
}

interface Listeners {
  onProgress(progress: LoadProgress): void;
  onWarning(warning: string): void;
  onEntries(entries: PackedEntries): void;
}

/** The connection to one engine's process. It matches replies to calls. */
export class EngineLink {
  readonly #holder: Worker;
  readonly #flag = new Int32Array(new SharedArrayBuffer(4));
  readonly #port: MessageChannel["port1"];
  readonly #waiting = new Map<number, Waiting>();
  /** Callbacks for the progress of an object's call, by process and object. */
  readonly #watching = new Map<string, (shown: Shown) => void>();
  readonly #listeners: Listeners;
  #queue: Call[] = [];
  #lastId = 0;
  #process = 1;
  #closing: Promise<void> | undefined;
  /** The error of all further calls after the holder's thread has ended. */
  #ended: LlamaEtsError | undefined;

  /** @param options the options of `loadModel` that can be cloned */
  constructor(
    source: string,
    options: Record<string, unknown>,
    listeners: Listeners,
    holding: Holding = {},
  ) {
    const { port1, port2 } = new MessageChannel();
    this.#listeners = listeners;
    this.#port = port1;
    const directory = workingDirectory();
    const [flag, port] = [this.#flag, port2];
    const workerData: HolderData = { holding, source, directory, options, flag, port };
    this.#holder = new Worker(SCRIPT, { workerData, transferList: [port2], execArgv: [] });
    this.#holder.on("message", (message: FromEngine) => this.#take(message));
    this.#holder.on("error", (error) => this.#fail(messageOf(error)));
    this.#holder.on("exit", () => this.#fail("its thread has ended"));
    this.#holder.unref();
    port1.unref();
  }

  /** The number of the latest process that has replied. A restarted process has the next number. */
  get process(): number {
    return this.#process;
  }

  load(source: string, options: Record<string, unknown>): Promise<ModelFacts> {
    return this.call(THE_MODEL, "load", [source, options]) as Promise<ModelFacts>;
  }

  /** Calls a method of an object, or of the model if `remote` is null. */
  async call(
    remote: Remote | null,
    method: string,
    args: readonly unknown[] = [],
    around: Around = {},
  ): Promise<unknown> {
    return (await this.exchange(remote, method, args, around)).value;
  }

  /** Like `call`, and also returns the number of the process that replied. */
  exchange(
    remote: Remote | null,
    method: string,
    args: readonly unknown[] = [],
    around: Around = {},
  ): Promise<{ value: unknown; process: number }> {
    const { ref, process } = remote ?? THE_MODEL;
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) throw this.#ended;
      const asked = encoded({ ref, method, args }, around.refOf);
      const id = ++this.#lastId;
      if (this.#waiting.size === 0) this.#holder.ref();
      this.#waiting.set(id, { ...around, resolve, reject });
      if (around.watch !== undefined) this.#watching.set(`${process}/${ref}`, around.watch);
      this.#enqueue({ id, process, asked });
    });
  }

  /** Calls a method without a reply. It is sent with the next call, or on the next event-loop turn. */
  tell({ ref, process }: Remote, method: string, args: readonly unknown[] = []): void {
    if (this.#closing !== undefined || this.#ended !== undefined) return;
    this.#enqueue({ id: null, process, asked: encoded({ ref, method, args }) });
  }

  /** Calls a method of the model and blocks this thread until the reply. */
  callNow(method: string, args: readonly unknown[]): unknown {
    if (this.#ended !== undefined) throw this.#ended;
    const asked = encoded({ ref: MODEL, method, args });
    this.#flush(); // keeps the order of the calls
    const id = ++this.#lastId;
    Atomics.store(this.#flag, 0, 0);
    this.#post({ now: { id, process: null, asked } });
    Atomics.wait(this.#flag, 0, 0);
    const { message } = receiveMessageOnPort(this.#port) as { message: Reply };
    this.#process = Math.max(this.#process, message.process);
    const answered = decode(message.answered) as Answered;
    if ("error" in answered) throw unpackError(answered.error);
    return answered.value;
  }

  /** Waits for the work in flight, disposes of the model, and ends its process. */
  close(): Promise<void> {
    if (this.#ended !== undefined) return Promise.resolve();
    this.#closing ??= new Promise((resolve) => {
      this.#flush();
      this.#holder.ref();
      this.#holder.once("exit", () => resolve());
      this.#holder.postMessage({ close: true } satisfies ToHolder);
    });
    return this.#closing;
  }

  #enqueue(call: Call): void {
    this.#queue.push(call);
    const flush = () => this.#flush();
    if (call.id !== null) queueMicrotask(flush);
    else setImmediate(flush);
  }

  #flush(): void {
    if (this.#queue.length === 0) return;
    const calls = this.#queue;
    this.#queue = [];
    this.#post({ calls });
  }

  #post(message: ToHolder): void {
    this.#holder.postMessage(message);
  }

  #take(message: FromEngine): void {
    if ("replies" in message) {
      for (const reply of message.replies) this.#reply(reply);
      return;
    }
    const { told } = message;
    if ("progress" in told) this.#listeners.onProgress(told.progress);
    else if ("warning" in told) this.#listeners.onWarning(told.warning);
    else this.#watching.get(`${told.process}/${told.ref}`)?.(told.seen);
  }

  #reply(reply: Reply): void {
    this.#process = Math.max(this.#process, reply.process);
    const waiting = this.#settle(reply.id);
    if (waiting === undefined) return;
    const answered = decode(reply.answered, waiting.objectOf) as Answered;
    if (answered.seen !== undefined) waiting.watch?.(answered.seen);
    if ("error" in answered) {
      waiting.reject(unpackError(answered.error));
      return;
    }
    if (answered.entries !== undefined) this.#listeners.onEntries(answered.entries);
    waiting.resolve({ value: answered.value, process: reply.process });
  }

  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0 && this.#closing === undefined) this.#holder.unref();
    return waiting;
  }

  /** Removes the progress callback of a disposed object. */
  forget({ ref, process }: Remote): void {
    this.#watching.delete(`${process}/${ref}`);
  }

  #fail(why: string): void {
    // Keep the first reason. A later one, such as the thread's end, only follows from it.
    this.#ended ??=
      this.#closing === undefined
        ? new LlamaEtsError("ERR_ENGINE_CRASHED", `The isolated engine failed: ${why}`)
        : new LlamaEtsError("ERR_DISPOSED", "The model was disposed");
    for (const id of [...this.#waiting.keys()]) this.#settle(id)?.reject(this.#ended);
  }
}

function encoded(asked: Asked, refOf?: Around["refOf"]): Uint8Array {
  try {
    return encode(asked, refOf);
  } catch (error) {
    if (error instanceof LlamaEtsError) throw error;
    throw new LlamaEtsError(
      "ERR_INVALID_ARGUMENT",
      `Expected plain data for an isolated engine: ${messageOf(error)}`,
    );
  }
}
