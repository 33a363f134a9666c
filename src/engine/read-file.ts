/** Reads files that someone names: of whatever kind, and however long, they are. */
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

/** Far more than any text that is read whole. */
const MAX_BYTES = 64 << 20;
const CHUNK_BYTES = 1 << 16;

/**
 * The bytes of a file. Of a named pipe, without the thread that would stand still until someone writes:
 * the process could not end before.
 */
export function openFile(file: string): Readable {
  if (statSync(file, { throwIfNoEntry: false })?.isFIFO() !== true) return createReadStream(file);
  const fd = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  return new Socket({ fd, readable: true, writable: false });
}

export interface ReadTextOptions {
  /** Default: 64 MiB. */
  maxBytes?: number;
  /** Ends the wait for someone who writes to a named pipe. */
  signal?: AbortSignal;
}

/**
 * A text of UTF-8. Throws what reading throws, the signal's reason, and where the file has more bytes, as
 * /dev/zero has.
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
 * What is there. Throws what `stat` throws, and where it is neither a file nor a directory: reading a named
 * pipe, for one, may never end.
 */
export async function refuseOtherThanFile(file: string): Promise<Stats> {
  const found = await stat(file);
  if (!found.isFile() && !found.isDirectory()) throw new Error("it is not a regular file");
  return found;
}

/** The bytes of a file, at once. Throws as `readTextFile` does. */
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

/** What was read of a file so far. */
class Pieces {
  readonly #pieces: Buffer[] = [];
  readonly #most: number;
  #size = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Throws where they are too many bytes. */
  add(piece: Buffer): void {
    this.#size += piece.length;
    if (this.#size > this.#most) throw new Error(`it has more than ${this.#most} bytes`);
    this.#pieces.push(piece);
  }

  joined(): Buffer {
    return Buffer.concat(this.#pieces);
  }
}
