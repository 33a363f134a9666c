/** Messages between processes: four bytes with the length, little-endian, followed by JSON. */

/** The largest size of a program's arguments or results. A larger message is a failure. */
export const MAX_FRAME_BYTES = 64 * 2 ** 20;
export const HEADER_BYTES = 4;
/**
 * The file descriptor on which the processes exchange messages. Only our own code uses it, so it stays
 * blocking.
 */
export const CHANNEL = 3;

export function toFrame(message: string): Buffer {
  const body = Buffer.from(message, "utf8");
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  frame.writeUInt32LE(body.length, 0);
  body.copy(frame, HEADER_BYTES);
  return frame;
}
