/** Reads files that a user names. They may be of any kind, such as a named pipe, and of any length. */
import {
  closeSync,
  constants,
  createReadStream,
  openSync,
  readSync,
  type Stats,
  statSync,
} from "node:fs";
import { stat } from "node:fs/promises";
import { Socket } from "node:net";
import { addAbortSignal, type Readable } from "node:stream";

/** The default limit: far more than any text that this package reads whole. */
const MAX_BYTES = 64 << 20;
const CHUNK_BYTES = 1 << 16;

/**
 * Opens a file for reading. A named pipe is opened without blocking: otherwise one of Node's threads
 * would wait until someone writes to it, and the process could not exit until then.
 */
export function openFile(file: string): Readable {
  if (statSync(file, { throwIfNoEntry: false })?.isFIFO() !== true) return createReadStream(file);
  const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  return new Socket({ fd, readable: true, writable: false });
}

export interface ReadTextOptions {
  /** Default: 64 MiB. */
  maxBytes?: number;
  /** Aborts reading, also while no one has written to a named pipe yet. */
  signal?: AbortSignal;
}

/**
 * Reads a UTF-8 text. Throws Node's errors, the signal's reason, or an error if the file has more than
 * `maxBytes` (as /dev/zero does).
 */
export async function readTextFile(
  file: string,
  { maxBytes = MAX_BYTES, signal }: ReadTextOptions = {},
): Promise<string> {
  const pieces = new Pieces(maxBytes);
  const content = openFile(file);
  if (signal !== undefined) addAbortSignal(signal, content);
  try {
    for await (const chunk of content as AsyncIterable<Buffer>) pieces.add(chunk);
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
  return pieces.joined().toString("utf8");
}

/**
 * Returns the `stat` of a file or directory. Throws what `stat` throws, and an error for anything else,
 * such as a named pipe: reading it may never end.
 */
export async function refuseOtherThanFile(file: string): Promise<Stats> {
  const found = await stat(file);
  if (!found.isFile() && !found.isDirectory()) throw new Error("it is not a regular file");
  return found;
}

/** Reads the bytes of a file synchronously. Throws Node's errors, or an error above 64 MiB. */
export function readBytesNow(file: string): Buffer {
  const fd = openSync(file, "r");
  try {
    const pieces = new Pieces(MAX_BYTES);
    for (;;) {
      const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
      const length = readSync(fd, chunk);
      if (length === 0) return pieces.joined();
      pieces.add(chunk.subarray(0, length));
    }
  } finally {
    closeSync(fd);
  }
}

/** The parts of a file that were read so far. */
class Pieces {
  readonly #pieces: Buffer[] = [];
  readonly #most: number;
  #size = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Throws if all pieces together have too many bytes. */
  add(piece: Buffer): void {
    this.#size += piece.length;
    if (this.#size > this.#most) throw new Error(`it has more than ${this.#most} bytes`);
    this.#pieces.push(piece);
  }

  joined(): Buffer {
    return Buffer.concat(this.#pieces);
  }
}
