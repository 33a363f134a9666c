/** One interpreter in its own process. Requests and answers are frames. */
import type { ChildProcess, StdioOptions } from "node:child_process";
import { createRequire } from "node:module";
import { constants } from "node:os";
import path from "node:path";
import type { Duplex } from "node:stream";
import { packageFile, unpackedPath } from "../engine/package-files.js";
import { startProcess } from "../engine/start-process.js";
import { CHANNEL, HEADER_BYTES, MAX_FRAME_BYTES, toFrame } from "./frames.js";
import { confinedNode, type Isolation, nodeEnvironment } from "./isolation.js";
import { residentBytes } from "./resident-memory.js";

/** The directory of built files, whether this file runs from `src/` or from `dist/`. */
const BUILT = packageFile("dist/sandbox");
export const MAX_ERROR_CHARACTERS = 1000;

/** The interval between two checks of a process's memory. */
const WATCH_MS = 100;
/** Memory for Node, Pyodide and the snapshot in addition to a program's own memory, with a margin. */
const OVERHEAD_MIB = 512;

/** The limit of the start. It is needed because Node waits forever if the system refuses it threads. */
const START_MS = 60_000;

export type Role = "snapshot" | "candidate" | "judge";

export interface InterpreterOptions {
  isolation: Isolation;
  memoryMiB: number;
  /** The file of the memory snapshot to start from; empty to make a snapshot. */
  snapshot: string;
  /** How long a process may take to start, or to make a snapshot; for tests. */
  startMs?: number;
}

/** Where Pyodide is installed, and its version. */
export function locatePyodide(): { directory: string; version: string } {
  const require = createRequire(import.meta.url);
  const file = require.resolve("pyodide/package.json");
  return { directory: unpackedPath(path.dirname(file)), version: require(file).version };
}

/** Starts a confined process with this role in its own process group. Rejects if the system can't. */
export function startConfined(role: Role, options: InterpreterOptions): Promise<ChildProcess> {
  const { isolation, memoryMiB, snapshot } = options;
  const { directory } = locatePyodide();
  const script = path.join(BUILT, "python-process.js");
  const files = [BUILT, directory, ...(snapshot === "" ? [] : [snapshot])];
  const [program = "", ...args] = confinedNode(
    isolation,
    script,
    [role, directory, snapshot],
    files,
    memoryMiB,
  );
  const stdio: StdioOptions = ["ignore", "ignore", "pipe", "pipe"];
  return startProcess(program, args, { cwd: "/", env: nodeEnvironment(), detached: true, stdio });
}

/** The stream of a process's requests and answers. */
export function channelOf(child: ChildProcess): Duplex {
  return child.stdio[CHANNEL] as Duplex;
}

/** The process ended, or was killed, before it answered. */
export class InterpreterGone extends Error {}

export class Interpreter {
  readonly #child: ChildProcess;
  readonly #channel: Duplex;
  #received = Buffer.alloc(0);
  #waiting: { resolve: (message: string) => void; reject: (error: Error) => void } | undefined;
  #gone: InterpreterGone | undefined;
  #isKilledByOthers = false;
  #errors = "";
  readonly #watch: NodeJS.Timeout;

  private constructor(child: ChildProcess, options: InterpreterOptions) {
    this.#child = child;
    this.#channel = channelOf(this.#child);
    this.#channel.on("data", (bytes: Buffer) => this.#receive(bytes));
    this.#channel.on("error", () => {}); // the event `close` handles the end
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#errors = (this.#errors + text).slice(-MAX_ERROR_CHARACTERS);
    });
    this.#child.on("error", (error) => this.#end(error.message));
    this.#child.on("close", (code, signal) => {
      // If the process is killed, bubblewrap and unshare end with this exit code, as shells do.
      const isKilled = signal === "SIGKILL" || code === 128 + constants.signals.SIGKILL;
      this.#isKilledByOthers = this.#gone === undefined && isKilled;
      this.#end(`ended with ${signal ?? code}`);
    });
    const limit = (options.memoryMiB + OVERHEAD_MIB) * 2 ** 20;
    this.#watch = setInterval(() => {
      if (residentBytes(this.#child.pid) > limit) this.kill();
    }, WATCH_MS).unref();
  }

  /** Whether the process has ended, or was killed. */
  get isGone(): boolean {
    return this.#gone !== undefined;
  }

  /** Whether it was killed by someone else, for example by the system because memory ran out. */
  get isKilledByOthers(): boolean {
    return this.#isKilledByOthers;
  }

  /** Resolves once it accepts requests. Throws `InterpreterGone` with the process's error output. */
  static async start(role: Role, options: InterpreterOptions): Promise<Interpreter> {
    const interpreter = new Interpreter(await startConfined(role, options), options);
    const { startMs = START_MS } = options;
    const late = setTimeout(() => {
      interpreter.kill(`had not started after ${startMs / 1000} s, as without threads to spare`);
    }, startMs);
    try {
      await interpreter.#next();
    } finally {
      clearTimeout(late);
    }
    return interpreter;
  }

  /** Sends one request and waits for its answer. Throws `InterpreterGone` if the process ends instead. */
  ask(message: string): Promise<string> {
    const answer = this.#next();
    const frame = toFrame(message);
    if (frame.length > MAX_FRAME_BYTES) this.kill();
    else this.#channel.write(frame);
    return answer;
  }

  /** Ends the whole process group at once. */
  kill(why = "was stopped"): void {
    const { pid } = this.#child;
    if (pid !== undefined && this.#gone === undefined) {
      try {
        process.kill(process.platform === "win32" ? pid : -pid, "SIGKILL");
      } catch {
        // The process has already ended.
      }
    }
    this.#end(why);
  }

  #next(): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.#gone !== undefined) reject(this.#gone);
      else this.#waiting = { resolve, reject };
    });
  }

  #receive(bytes: Buffer): void {
    this.#received = Buffer.concat([this.#received, bytes]);
    if (this.#received.length < HEADER_BYTES) return;
    const end = HEADER_BYTES + this.#received.readUInt32LE(0);
    if (end > MAX_FRAME_BYTES) this.kill();
    else if (this.#received.length >= end) {
      const message = this.#received.toString("utf8", HEADER_BYTES, end);
      this.#received = this.#received.subarray(end);
      const { resolve } = this.#waiting ?? {};
      this.#waiting = undefined;
      resolve?.(message);
    }
  }

  #end(how: string): void {
    clearInterval(this.#watch);
    this.#gone ??= new InterpreterGone(`The interpreter ${how}. ${this.#errors}`.trim());
    this.#waiting?.reject(this.#gone);
    this.#waiting = undefined;
  }
}
