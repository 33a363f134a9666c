/**
 * A thread that holds the engine's process of one model. It starts the process, restarts it after its
 * end, and forwards messages. It keeps running while the app's thread blocks on a synchronous call,
 * such as `tokenize`.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parentPort, workerData } from "node:worker_threads";
import { endWithThread } from "../start-process.js";
import {
  type Call,
  type CrossedError,
  type FromEngine,
  type HolderData,
  MODEL,
  type Reply,
  type ToHolder,
} from "./protocol.js";
import { encode } from "./wire.js";

const SCRIPT = fileURLToPath(new URL("engine-process.js", import.meta.url));
/** Characters of the process's last output on stderr that are kept for an error message. */
const MAX_SAID = 2000;
const SAID_LINES = 5;
/** Time for a process to exit after it was asked to. */
const PATIENCE_MS = 5000;
/**
 * How long the process may be silent while the app waits for it. This thread asks for a sign of life at each
 * look. Node waits forever at its start if the system refuses it threads, and a process may be stopped. Time
 * is counted in looks, so that it stands still while this process is stopped, too.
 */
const SILENT_MS = 120_000;
const LOOKS = 8;

/** llama.cpp's messages for a lost RPC server. They don't name the server. */
const LOST_SERVER = /Remote RPC server crashed|RPC handshake failed|Failed to connect to .*:\d+/;
const RESTART = "start the server again; the next call loads the model anew";

const { holding, source, directory, options, flag, port } = workerData as HolderData;
const { execPath = process.execPath, silentMs = SILENT_MS } = holding;

let child: ChildProcess | undefined;
let processes = 0;
let lastEnd: CrossedError | undefined;
/** The ids of calls without a reply. */
const pending = new Set<number>();
let awaitedNow: number | undefined;
/** The id of the disposing call. `disposed` is called on its reply, or when the process has ended. */
const CLOSING = 0;
let disposed = () => {};

function start(): ChildProcess {
  const number = ++processes;
  const started = fork(SCRIPT, [String(number)], {
    // No process can start in a removed directory.
    cwd: existsSync(directory) ? directory : path.parse(SCRIPT).root,
    execPath,
    execArgv: [],
    serialization: "advanced",
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
  endWithThread(started);
  let said = "";
  started.stderr?.setEncoding("utf8").on("data", (text: string) => {
    said = (said + text).slice(-MAX_SAID);
  });
  let silentLooks = 0;
  const looking = setInterval(() => {
    silentLooks = pending.size === 0 ? 0 : silentLooks + 1;
    if (silentLooks < LOOKS) {
      if (silentLooks > 0) started.send([], () => {}); // any answer is a sign of life
      return;
    }
    end(`no sign of life for ${silentMs / 1000} s, as of one that is stopped, or lacks threads`);
    started.kill("SIGKILL");
  }, silentMs / LOOKS).unref();
  started.on("message", (message: FromEngine) => {
    silentLooks = 0;
    if (!("replies" in message)) return parentPort?.postMessage(message);
    // Copy the bytes of each reply: they are views of one buffer with all replies.
    settle(message.replies.map((one) => ({ ...one, answered: one.answered.slice() })));
  });
  const end = (how: string) => {
    clearInterval(looking);
    if (child !== started) return;
    child = undefined;
    lastEnd = crashOf(how, said);
    fail(number, lastEnd);
  };
  started.on("error", (error) => end(error.message));
  started.on("close", (code, signal) => end(signal ?? `exit code ${code}`));
  // After a restart, the first request loads the model again.
  if (number > 1) {
    const asked = encode({ ref: MODEL, method: "load", args: [source, options] });
    started.send([{ id: null, process: number, asked }]);
  }
  return started;
}

function crashOf(how: string, said: string): CrossedError {
  const lines = said.trim().split("\n").slice(-SAID_LINES).join("\n");
  const why = how === "SIGKILL" ? ", as by a system without memory" : "";
  if (LOST_SERVER.test(said)) {
    const servers = (options.rpc as readonly string[] | undefined)?.join(", ") ?? "";
    const message = `An RPC server was lost, of ${servers}: llama.cpp ends its process then`;
    return { code: "ERR_RPC_SERVER", message: `${message}\nTry: ${RESTART}` };
  }
  return {
    code: "ERR_ENGINE_CRASHED",
    message: `The engine's process has ended (${how}${why})${lines === "" ? "" : `: ${lines}`}`,
  };
}

function settle(replies: readonly Reply[]): void {
  const others = replies.filter((reply) => {
    pending.delete(reply.id);
    if (reply.id === CLOSING) {
      disposed();
      return false;
    }
    if (reply.id !== awaitedNow) return true;
    awaitedNow = undefined;
    port.postMessage(reply);
    Atomics.store(flag, 0, 1);
    Atomics.notify(flag, 0);
    return false;
  });
  if (others.length > 0) parentPort?.postMessage({ replies: others });
}

/** Rejects all pending calls after the end of their process. */
function fail(number: number, error: CrossedError): void {
  const answered = encode({ error });
  settle([...pending].map((id) => ({ id, process: number, answered })));
}

function pass(calls: readonly Call[]): void {
  for (const call of calls) if (call.id !== null) pending.add(call.id);
  const isOld = ({ process }: Call) =>
    process !== null && (process !== processes || child === undefined);
  const old = calls.filter(isOld);
  if (old.length > 0 && lastEnd !== undefined) {
    const answered = encode({ error: lastEnd });
    settle(old.flatMap(({ id }) => (id === null ? [] : [{ id, process: processes, answered }])));
  }
  const current = calls.filter((call) => !isOld(call));
  if (current.length === 0) return;
  child ??= start();
  child.send(current as Call[], (error) => {
    if (error !== null) child?.kill("SIGKILL"); // the pending calls are rejected at its end
  });
}

async function close(): Promise<void> {
  if (child !== undefined) {
    const disposal = new Promise<void>((resolve) => {
      disposed = resolve;
    });
    const asked = encode({ ref: MODEL, method: "dispose", args: [] });
    pass([{ id: CLOSING, process: null, asked }]);
    await disposal;
  }
  const last = child;
  child = undefined;
  if (last !== undefined && last.exitCode === null && last.signalCode === null) {
    const ended = once(last, "exit");
    const timer = setTimeout(() => last.kill("SIGKILL"), PATIENCE_MS);
    if (last.connected) last.disconnect();
    await ended;
    clearTimeout(timer);
  }
  fail(processes, { code: "ERR_DISPOSED", message: "The model was disposed" });
  parentPort?.close();
}

// If this thread fails, it rejects all pending calls, so that the app doesn't wait for ever.
process.on("uncaughtException", (error) => {
  lastEnd = crashOf(error.message, "");
  fail(processes, lastEnd);
  child?.kill("SIGKILL");
});

parentPort?.on("message", (message: ToHolder) => {
  if ("calls" in message) pass(message.calls);
  else if ("now" in message) {
    awaitedNow = message.now.id ?? undefined;
    pass([message.now]);
  } else void close();
});
