/** Reads files that someone names: of whatever kind, and however long, they are. */
import { closeSync, constants, createReadStream, openSync, readSync, statSync } from "node:fs";
import { Socket } from "node:net";
import type { Readable } from "node:stream";

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

/** A text of UTF-8. Throws what reading throws, and where it has more than 64 MiB, as /dev/zero has. */
export async function readTextFile(file: string): Promise<string> {
  const pieces = new Pieces();
  for await (const chunk of openFile(file) as AsyncIterable<Buffer>) pieces.add(chunk);
  return pieces.joined().toString("utf8");
}

/** The bytes of a file, at once. Throws as `readTextFile` does. */
export function readBytesNow(file: string): Buffer {
  const fd = openSync(file, "r");
  try {
    const pieces = new Pieces();
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
  #size = 0;

  /** Throws where they are too many bytes. */
  add(piece: Buffer): void {
    this.#size += piece.length;
    if (this.#size > MAX_BYTES) throw new Error(`it has more than ${MAX_BYTES} bytes`);
    this.#pieces.push(piece);
  }

  joined(): Buffer {
    return Buffer.concat(this.#pieces);
  }
}
