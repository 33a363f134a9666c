import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";

/** A file's SHA-256 in hexadecimal. Rejects with Node's errors, or with the signal's reason. */
export async function sha256Of(file: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  const content = createReadStream(file, { highWaterMark: 2 ** 20 });
  await pipeline(content, hash, signal ? { signal } : {}).catch((error: unknown) => {
    signal?.throwIfAborted(); // throws the signal's reason, which the stream's error lacks
    throw error;
  });
  return hash.digest("hex");
}

const hashes = new Map<string, string>();

/** Like `sha256Of`, but reads a file again only if its size or modification time has changed. */
export async function hashFile(file: string, signal?: AbortSignal): Promise<string> {
  const { size, mtimeMs } = await stat(file);
  const version = `${file}/${size}/${mtimeMs}`;
  const known = hashes.get(version);
  if (known !== undefined) return known;
  const digest = await sha256Of(file, signal);
  hashes.set(version, digest);
  return digest;
}
