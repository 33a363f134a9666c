/** Runs generated programs against tests, so that nothing they do reaches this process. */
import { checkKeys, checkString, optional } from "../engine/check.js";
import { LlamaEtsError, messageOf } from "../engine/errors.js";
import { Interpreter, InterpreterGone, type InterpreterOptions } from "./interpreter.js";
import { detectIsolation, type Isolation } from "./isolation.js";
import { resolveSandboxOptions, type SandboxOptions } from "./sandbox-options.js";
import { Session, type TestResult, type TestRun } from "./session.js";
import { snapshotFile } from "./snapshot.js";

/** How much longer than `timeoutMs` the tests themselves may take. */
const GRACE_MS = 5000;
const KILLED: TestResult = { result: "fail", detail: "Its processes were killed again and again" };
/** Three tries, because the candidate and the judge may each turn out to have been killed. */
const MAX_TRIES = 3;

interface Settings {
  timeoutMs: number;
  signal: AbortSignal | undefined;
  /** The number of programs tested at once. */
  slots: number;
}

interface Slot {
  judge: Promise<Interpreter>;
  /** Started in advance, and used for one program only. */
  candidate: Promise<Interpreter>;
}

/** Runs generated Python programs in confined processes. Made by `openSandbox`; must be disposed. */
export class Sandbox implements AsyncDisposable {
  readonly isolation: Isolation;
  readonly #options: InterpreterOptions;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal | undefined;
  readonly #free: Slot[];
  readonly #queue: ((slot: Slot) => void)[] = [];
  readonly #running = new Set<Interpreter>();
  readonly #stop = () => this.#killAll();
  #isDisposed = false;

  private constructor(options: InterpreterOptions, settings: Settings) {
    this.isolation = options.isolation;
    this.#options = options;
    this.#timeoutMs = settings.timeoutMs;
    this.#signal = settings.signal;
    this.#signal?.addEventListener("abort", this.#stop, { once: true });
    this.#free = Array.from({ length: settings.slots }, () => ({
      judge: this.#start("judge"),
      candidate: this.#start("candidate"),
    }));
  }

  /**
   * Detects the available isolation and starts the first interpreters. Throws `ERR_SANDBOX` if they don't
   * start.
   */
  static async open(options: SandboxOptions = {}): Promise<Sandbox> {
    const { timeoutMs, memoryMiB, concurrency, os, signal } = resolveSandboxOptions(options);
    const isolation = await detectIsolation(os).catch((error) => {
      throw asSandboxError(error);
    });
    const snapshot = await snapshotFile({ isolation, memoryMiB }, signal);
    const sandbox = new Sandbox(
      { isolation, memoryMiB, snapshot },
      { timeoutMs, signal, slots: concurrency },
    );
    try {
      await Promise.all(sandbox.#free.flatMap(({ judge, candidate }) => [judge, candidate]));
    } catch (error) {
      await sandbox[Symbol.asyncDispose]();
      signal?.throwIfAborted();
      throw asSandboxError(error);
    }
    return sandbox;
  }

  /** Tests a program. May be called while other calls run; it then waits for a free slot. */
  async check(run: TestRun): Promise<TestResult> {
    checkKeys("run", run, ["program", "entryPoint", "setup", "tests"]);
    for (const name of ["program", "entryPoint", "tests"] as const) checkString(name, run[name]);
    optional(checkString, "setup", run.setup);
    const slot = await this.#take();
    try {
      // If someone else killed a process, the program is not to blame and is tried again.
      for (let tries = 0; tries < MAX_TRIES; tries++) {
        const result = await this.#check(slot, run);
        if (result !== null) return result;
      }
      return KILLED;
    } catch (error) {
      this.#signal?.throwIfAborted();
      throw asSandboxError(error);
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#free.push(slot);
      else next(slot);
    }
  }

  /** Tests a program once; null if someone else killed one of its interpreters. */
  async #check(slot: Slot, run: TestRun): Promise<TestResult | null> {
    this.#refuseEnded();
    const judge = await this.#interpreter(slot, "judge");
    const candidate = await this.#interpreter(slot, "candidate");
    const session = new Session(judge, candidate);
    let isLate = false;
    let grace: NodeJS.Timeout | undefined;
    const limit = setTimeout(() => {
      isLate = true;
      candidate.kill();
      grace = setTimeout(() => judge.kill(), GRACE_MS);
    }, this.#timeoutMs);
    try {
      const result = await session.run(run);
      if (candidate.isKilledByOthers) return null;
      return isLate && result.result !== "blocked" ? timedOut(this.#timeoutMs) : result;
    } catch (error) {
      if (!(error instanceof InterpreterGone)) throw error;
      if (isLate) return timedOut(this.#timeoutMs);
      if (this.#isDisposed || this.#signal?.aborted) throw error;
      if (judge.isKilledByOthers) return null;
      if (!session.hasAnswered) throw error;
      return { result: "fail", detail: "The program's results ended its tests" };
    } finally {
      clearTimeout(limit);
      clearTimeout(grace);
      this.#end(candidate);
      slot.candidate = this.#start("candidate");
    }
  }

  /** The slot's interpreter, or a new one if it couldn't be started or has ended since. */
  async #interpreter(slot: Slot, role: keyof Slot): Promise<Interpreter> {
    const kept = await slot[role].catch(() => null);
    if (kept !== null && !kept.isGone) return kept;
    if (kept !== null) this.#end(kept);
    slot[role] = this.#start(role);
    return slot[role];
  }

  #start(role: keyof Slot): Promise<Interpreter> {
    const starting = Interpreter.start(role, this.#options).then((interpreter) => {
      if (this.#isDisposed || this.#signal?.aborted) interpreter.kill();
      else this.#running.add(interpreter);
      return interpreter;
    });
    starting.catch(() => {}); // the error reaches whoever awaits `starting`
    return starting;
  }

  #end(interpreter: Interpreter): void {
    interpreter.kill();
    this.#running.delete(interpreter);
  }

  #killAll(): void {
    for (const interpreter of this.#running) this.#end(interpreter);
  }

  #refuseEnded(): void {
    this.#signal?.throwIfAborted();
    if (this.#isDisposed) throw new LlamaEtsError("ERR_DISPOSED", "The sandbox was disposed");
  }

  async #take(): Promise<Slot> {
    this.#refuseEnded();
    return this.#free.pop() ?? new Promise((resolve) => this.#queue.push(resolve));
  }

  /** Ends all processes. Running calls of `check` reject. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    this.#signal?.removeEventListener("abort", this.#stop);
    this.#killAll();
    const starting = this.#free.flatMap(({ judge, candidate }) => [judge, candidate]);
    for (const interpreter of starting) (await interpreter.catch(() => null))?.kill();
  }
}

function timedOut(timeoutMs: number): TestResult {
  return { result: "timeout", detail: `Not done after ${timeoutMs} ms` };
}

function asSandboxError(error: unknown): LlamaEtsError {
  if (error instanceof LlamaEtsError) return error;
  return new LlamaEtsError("ERR_SANDBOX", `Python could not be run: ${messageOf(error)}`, {
    cause: error,
  });
}
