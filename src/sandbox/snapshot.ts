/** A memory snapshot of a started interpreter, from which others start several times faster. */
import { createHash } from "node:crypto";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import { cacheDirectory } from "../engine/cache-directory.js";
import { LlamaEtsError, messageOf } from "../engine/errors.js";
import { makeUnlessThere } from "../engine/whole-file.js";
import {
  channelOf,
  type InterpreterOptions,
  locatePyodide,
  MAX_ERROR_CHARACTERS,
  startConfined,
} from "./interpreter.js";
import { PRELOADED } from "./python-source.js";

/** For all of Python, which others start with; Node may wait for ever (interpreter.ts). */
const LIMIT_MS = 300_000;

/**
 * The snapshot's file in the user's cache. It is made on first use, which takes seconds. Throws
 * `ERR_SANDBOX`, or `ERR_WRITE` if it can't be stored.
 */
export async function snapshotFile(
  options: Omit<InterpreterOptions, "snapshot">,
  signal?: AbortSignal,
): Promise<string> {
  const { version } = locatePyodide();
  const hash = createHash("sha256").update(PRELOADED).digest("hex").slice(0, 12);
  const file = path.join(cacheDirectory(), "sandbox", `pyodide-${version}-${hash}.snapshot`);
  return makeUnlessThere(file, () => makeSnapshot(options, signal));
}

async function makeSnapshot(
  options: Omit<InterpreterOptions, "snapshot">,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  signal?.throwIfAborted();
  const { startMs = LIMIT_MS } = options;
  let stop = () => {};
  let late: NodeJS.Timeout | undefined;
  let isLate = false;
  try {
    const child = await startConfined("snapshot", { ...options, snapshot: "" });
    stop = () => child.kill("SIGKILL");
    late = setTimeout(() => {
      isLate = true;
      stop();
    }, startMs);
    signal?.addEventListener("abort", stop, { once: true });
    if (signal?.aborted) stop();
    const ended = new Promise<number | null>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", resolve);
    });
    const [code, snapshot, errors] = await Promise.all([
      ended,
      buffer(channelOf(child)),
      buffer(child.stderr as NonNullable<typeof child.stderr>),
    ]);
    signal?.throwIfAborted();
    if (code === 0 && snapshot.length > 0) return snapshot;
    if (isLate) throw new Error(`no snapshot within ${startMs / 1000} s`);
    throw new Error(`it ended with ${code}. ${errors.toString().slice(-MAX_ERROR_CHARACTERS)}`);
  } catch (error) {
    signal?.throwIfAborted();
    throw new LlamaEtsError("ERR_SANDBOX", `Python could not be started: ${messageOf(error)}`, {
      cause: error,
    });
  } finally {
    clearTimeout(late);
    signal?.removeEventListener("abort", stop);
  }
}
