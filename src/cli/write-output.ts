import { constants, fstatSync, openSync, type Stats, writeFileSync } from "node:fs";
import { access, lstat, realpath, stat, writeFile } from "node:fs/promises";
import { Socket } from "node:net";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { codeOf, LlamaEtsError, messageOf } from "../engine/errors.js";
import { writeWhole } from "../engine/whole-file.js";

/** The interval between attempts to open a named pipe that has no reader. */
const PIPE_RETRY_MS = 50;

/** Checks before a long run that the file of an option can be written. Throws `ERR_WRITE`. */
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
 * Writes the file of an option. For a named pipe it waits for a reader. An abort ends this wait with the
 * signal's reason. If the signal is aborted already, a pipe without a reader is an error.
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
    const found = await stat(file).catch(() => null);
    const stream = found?.isFile() ? openStream(found) : undefined;
    if (found?.isFIFO()) await writePipe(file, content, isLate ? "now" : signal);
    else if (stream !== undefined) writeFileSync(stream, textOf(content));
    else if (found === null ? await isUnused(file) : found.isFile()) {
      await replace(file, found, content);
    } else await writeFile(file, content);
  } catch (error) {
    if (!isLate) signal?.throwIfAborted();
    throw unwritten(what, file, "was not", error);
  }
}

/** Returns whether the name is unused: there is neither a file nor a dangling link. */
async function isUnused(file: string): Promise<boolean> {
  return lstat(file).then(
    () => false,
    () => true,
  );
}

/**
 * Replaces a file atomically: if writing fails, for example on a full disk, the older file stays. If no other
 * file can be created beside the older one, it is overwritten.
 */
async function replace(
  file: string,
  older: Stats | null,
  content: string | Uint8Array | Iterable<string>,
): Promise<void> {
  if (older === null) return writeWhole(file, content);
  await access(file, constants.W_OK);
  // A link stays a link: its target is replaced.
  const target = await realpath(file);
  const isBeside = await access(path.dirname(target), constants.W_OK).then(
    () => path.basename(target).length <= LONGEST_NAME,
    () => false,
  );
  if (isBeside) await writeWhole(target, content, older.mode & 0o777);
  else await writeFile(target, content);
}

/** With the suffix of `writeWhole`, a name up to this length is valid in every file system. */
const LONGEST_NAME = 200;

/**
 * Returns standard output or error if it is redirected to this file (`-o /dev/stdout > page.html`). The file
 * must then be appended to, not replaced.
 */
function openStream({ dev, ino }: Stats): 1 | 2 | undefined {
  return ([1, 2] as const).find((fd) => {
    const stream = fstatSync(fd);
    return stream.dev === dev && stream.ino === ino;
  });
}

function textOf(content: string | Uint8Array | Iterable<string>): string | Uint8Array {
  if (typeof content === "string" || ArrayBuffer.isView(content)) return content as string;
  return [...(content as Iterable<string>)].join("");
}

/**
 * Writes to a named pipe. It polls for a reader instead of a blocking open, which would keep a thread busy
 * and the process from ending.
 *
 * @param until the signal that ends the wait for a reader; `now` for no wait
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
  // The user doesn't know the temporary file of `writeWhole`, so the message doesn't name it.
  const told = messageOf(error).replace(/\.\d+\.unfinished\b/, "");
  const why = isMissing ? `there is no directory ${path.dirname(file)}` : told;
  return new LlamaEtsError("ERR_WRITE", `The ${what} ${was} written: ${why}`, {
    fix: codeOf(error) === "ENOSPC" ? "free space on the disk, or another file" : "another file",
    cause: error,
  });
}
