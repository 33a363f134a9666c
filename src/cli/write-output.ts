import { constants, fstatSync, openSync, type Stats, writeFileSync } from "node:fs";
import { access, lstat, realpath, stat, writeFile } from "node:fs/promises";
import { Socket } from "node:net";
import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { codeOf, LlamaEtsError, messageOf } from "../engine/errors.js";
import { writeWhole } from "../engine/whole-file.js";

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

/** Whether nothing has this name: neither a file nor a link to what isn't there. */
async function isUnused(file: string): Promise<boolean> {
  return lstat(file).then(
    () => false,
    () => true,
  );
}

/**
 * Puts a file in its place in one step: until then, and on a full disk, an older one stays and no half of the
 * new one is there. Where nothing can be made beside the older one, it is written over.
 */
async function replace(
  file: string,
  older: Stats | null,
  content: string | Uint8Array | Iterable<string>,
): Promise<void> {
  if (older === null) return writeWhole(file, content);
  await access(file, constants.W_OK);
  // A link goes on to name the file that it named.
  const target = await realpath(file);
  const isBeside = await access(path.dirname(target), constants.W_OK).then(
    () => path.basename(target).length <= LONGEST_NAME,
    () => false,
  );
  if (isBeside) await writeWhole(target, content, older.mode & 0o777);
  else await writeFile(target, content);
}

/** With what `writeWhole` adds to it, no file system refuses such a name. */
const LONGEST_NAME = 200;

/** Standard output or error, where it was sent to this file (`-o /dev/stdout > page.html`): it is not begun anew. */
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
  // Of what `writeWhole` writes beside it nobody has heard.
  const told = messageOf(error).replace(/\.\d+\.unfinished\b/, "");
  const why = isMissing ? `there is no directory ${path.dirname(file)}` : told;
  return new LlamaEtsError("ERR_WRITE", `The ${what} ${was} written: ${why}`, {
    fix: codeOf(error) === "ENOSPC" ? "free space on the disk, or another file" : "another file",
    cause: error,
  });
}
