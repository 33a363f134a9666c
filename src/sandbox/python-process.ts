/**
 * The process of an interpreter: `node python-process.js ROLE PYODIDE [SNAPSHOT]`. It serves requests on
 * `CHANNEL` one at a time. It reads and writes synchronously, so that the judge's Python code can call
 * functions in another process.
 */
import { constants, readFileSync, readSync, writeSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { loadPyodide } from "pyodide";
import { CHANNEL, HEADER_BYTES, MAX_FRAME_BYTES, toFrame } from "./frames.js";
import { CANDIDATE, JUDGE, PRELOADED } from "./python-source.js";

/** The limit for files in memory. Programs have no files, but the standard library may need a few. */
const MAX_FILE_BYTES = 16 * 2 ** 20;
/** WASI's ENOSPC. */
const NO_SPACE = 51;

const [role = "", pyodideDirectory = "", snapshot = ""] = process.argv.slice(2);

function readBytes(count: number): Buffer | null {
  const bytes = Buffer.alloc(count);
  for (let filled = 0; filled < count; ) {
    const read = readSync(CHANNEL, bytes, filled, count - filled, null);
    if (read === 0) return null;
    filled += read;
  }
  return bytes;
}

function readMessage(): string {
  const body = readBytes(readBytes(HEADER_BYTES)?.readUInt32LE(0) ?? 0);
  // The parent process has ended.
  if (body === null || body.length === 0) process.exit(0);
  return body.toString("utf8");
}

function writeBytes(bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length; ) {
    written += writeSync(CHANNEL, bytes, written, bytes.length - written);
  }
}

function writeMessage(message: string): void {
  const frame = toFrame(message);
  if (frame.length > MAX_FRAME_BYTES) process.exit(3);
  writeBytes(frame);
}

/** Replaces the internal Node binding that Pyodide asks for, which the permission model forbids. */
function answerBinding(name: string): object {
  if (name === "constants") return { fs: constants };
  throw new Error(`No binding ${name}`);
}

/** Removes the ways out of the process that Node's permissions leave open. Called before a program starts. */
function closeExits(): void {
  for (const name of ["fetch", "WebSocket", "EventSource", "XMLHttpRequest", "require"]) {
    Reflect.deleteProperty(globalThis, name);
  }
  const exits = ["binding", "_linkedBinding", "dlopen", "kill", "_kill", "_debugProcess", "chdir"];
  for (const name of [...exits, "setuid", "setgid", "getBuiltinModule", "mainModule"]) {
    Object.defineProperty(process, name, { value: undefined, configurable: false });
  }
}

interface MemoryFiles {
  expandFileStorage(node: { contents?: { length: number } }, capacity: number): void;
}

/** Limits files in memory, which WebAssembly's limit does not cover. Beyond the limit the disk is full. */
function limitFiles(): void {
  const { filesystems, ErrnoError } = python.FS as unknown as {
    filesystems: { MEMFS: MemoryFiles };
    ErrnoError: new (code: number) => Error;
  };
  const { MEMFS } = filesystems;
  const expand = MEMFS.expandFileStorage;
  let left = MAX_FILE_BYTES;
  MEMFS.expandFileStorage = (node, capacity) => {
    const before = node.contents?.length ?? 0;
    if (capacity - before > left) throw new ErrnoError(NO_SPACE);
    expand.call(MEMFS, node, capacity);
    left -= (node.contents?.length ?? 0) - before;
  };
}

// By default Node would also print the source line, and Pyodide's lines are a megabyte long.
process.on("uncaughtException", (error) => {
  writeSync(2, String(error.stack ?? error).slice(0, 1000));
  process.exit(1);
});
Object.defineProperty(process, "binding", { value: answerBinding, configurable: true });
const pyodideModule = pathToFileURL(path.join(pyodideDirectory, "pyodide.mjs")).href;
const pyodide: { loadPyodide: typeof loadPyodide } = await import(pyodideModule);
const isSnapshot = role === "snapshot";
const python = await pyodide.loadPyodide({
  indexURL: `${pyodideDirectory}${path.sep}`,
  // An empty object, so that `import js` gives no access to JavaScript's globals.
  jsglobals: Object.create(null),
  env: { HOME: "/", PYTHONHASHSEED: "0" },
  ...(isSnapshot ? { _makeSnapshot: true } : { _loadSnapshot: readFileSync(snapshot) }),
});
const discard = { write: (bytes: Uint8Array) => bytes.length };
python.setStdin({ stdin: () => null });

if (isSnapshot) {
  python.runPython(PRELOADED);
  writeBytes(python.makeMemorySnapshot());
} else {
  python.setStdout(discard);
  python.setStderr(discard);
  const isJudge = role === "judge";
  const askCaller = (call: string) => {
    writeMessage(call);
    return readMessage();
  };
  if (isJudge) python.globals.set("call_candidate", askCaller);
  python.runPython(isJudge ? JUDGE : CANDIDATE);
  const serve = python.globals.get("serve") as (request: string) => string;
  // `confine` removes what `runPython` needs, so it is not called by `runPython`.
  if (!isJudge) (python.globals.get("confine") as () => void)();
  limitFiles();
  closeExits();
  writeMessage('{"ready":true}');
  for (;;) writeMessage(serve(readMessage()));
}
