import { constants, openSync } from "node:fs";
import { access, stat, writeFile } from "node:fs/promises";
import { Socket } from "node:net";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { codeOf, LlamaEtsError, messageOf } from "../engine/errors.js";

/** How often a named pipe that nobody reads is tried. */
const PIPE_RETRY_MS = 50;

/**
 * Checks, before what takes long, that a file which an option named can be written where it is to be.
 * Throws `ERR_WRITE`.
 */
export async function checkOutput(what: string, file: string): Promise<void> {
  try {
    const isDirectory = await stat(file).then(
      (found) => found.isDirectory(),
      () => null,
    );
    if (isDirectory) throw new Error(`${file} is a directory`);
    await access(isDirectory === null ? path.dirname(file) : file, constants.W_OK);
  } catch (error) {
    throw unwritten(what, file, "can't be", error);
  }
}

/**
 * Writes a file that an option named. A named pipe is written once someone reads it; the signal ends that
 * wait with its reason, and one that is aborted already makes it a failure.
 *
 * @throws LlamaEtsError `ERR_WRITE`
 */
export async function writeOutput(
  what: string,
  file: string,
  content: string | Uint8Array | Iterable<string>,
  signal?: AbortSignal,
): Promise<void> {
  const isLate = signal?.aborted === true;
  try {
    const isPipe = await stat(file).then(
      (found) => found.isFIFO(),
      () => false,
    );
    if (isPipe) await writePipe(file, content, isLate ? "now" : signal);
    else await writeFile(file, content);
  } catch (error) {
    if (!isLate) signal?.throwIfAborted();
    throw unwritten(what, file, "was not", error);
  }
}

/**
 * Without a thread that stands still until someone reads: the process could not end before.
 *
 * @param until what ends the wait for a reader; `now`: there is none
 */
async function writePipe(
  file: string,
  content: string | Uint8Array | Iterable<string>,
  until: AbortSignal | "now" | undefined,
): Promise<void> {
  const signal = until === "now" ? undefined : until;
  for (;;) {
    try {
      const fd = openSync(file, constants.O_WRONLY | constants.O_NONBLOCK);
      const pieces =
        typeof content === "string" || ArrayBuffer.isView(content) ? [content] : content;
      const pipe = new Socket({ fd, readable: false, writable: true });
      return await pipeline(Readable.from(pieces), pipe, { ...(signal && { signal }) });
    } catch (error) {
      if (codeOf(error) !== "ENXIO") throw error;
      if (until === "now") throw new Error(`nobody reads the named pipe ${file}`, { cause: error });
    }
    await sleep(PIPE_RETRY_MS, undefined, { ...(signal && { signal }) });
  }
}

function unwritten(what: string, file: string, was: string, error: unknown): LlamaEtsError {
  const isMissing = codeOf(error) === "ENOENT";
  const why = isMissing ? `there is no directory ${path.dirname(file)}` : messageOf(error);
  return new LlamaEtsError("ERR_WRITE", `The ${what} ${was} written: ${why}`, {
    fix: "another file",
    cause: error,
  });
}
