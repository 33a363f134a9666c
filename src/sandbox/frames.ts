/** Messages between processes: JSON behind four bytes of its length, little-endian. */

/** A program's arguments and results: more than that is a failure. */
export const MAX_FRAME_BYTES = 64 * 2 ** 20;
export const HEADER_BYTES = 4;
/**
 * The processes talk on this file descriptor. Only their own code opens it, so it stays blocking.
 */
export const CHANNEL = 3;

export function toFrame(message: string): Buffer {
  const body = Buffer.from(message, "utf8");
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  frame.writeUInt32LE(body.length, 0);
  body.copy(frame, HEADER_BYTES);
  return frame;
}
