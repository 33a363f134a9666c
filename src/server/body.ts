/** Reads request bodies: JSON of a limited size. */
import type { Context } from "hono";
import type { Env } from "./app-options.js";
import { ApiError } from "./errors.js";

/**
 * The number of bytes beyond the limit of a body that are read and dropped. If the server closed the
 * connection while the client still writes, the client would fail without seeing the answer.
 */
const DROPPED_BYTES = 64 * 2 ** 20;

/**
 * Reads a JSON body. Other types are refused, because web pages can send them without a CORS check.
 *
 * @throws ApiError 415, 413, 408 or 400
 */
export async function readJson(c: Context<Env>, maxBytes: number): Promise<unknown> {
  const type = c.req.header("content-type") ?? "";
  if (!/^application\/json\b/i.test(type)) {
    throw new ApiError(415, "unsupported_media_type", "Expected the content type application/json");
  }
  const bytes = await readBytes(c, maxBytes);
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new ApiError(400, "invalid_json", "Expected the body to be JSON, in UTF-8");
  }
}

/**
 * Reads the body to its end, even if it is too long, so that the next request on the connection can be read.
 */
async function readBytes(c: Context<Env>, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    // Leaving the loop must not cancel the stream, because this would close the connection before the answer.
    for await (const chunk of c.req.raw.body?.values({ preventCancel: true }) ?? []) {
      size += chunk.length;
      if (size <= maxBytes) chunks.push(chunk);
      if (size > maxBytes + DROPPED_BYTES) break;
    }
  } catch (error) {
    const message = "The connection ended in the middle of the body";
    throw new ApiError(408, "body_incomplete", message, { cause: error });
  }
  if (size <= maxBytes) return Buffer.concat(chunks);
  if (size > maxBytes + DROPPED_BYTES) c.header("Connection", "close");
  throw new ApiError(413, "body_too_large", `Expected a body of at most ${maxBytes} bytes`);
}
