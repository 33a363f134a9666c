import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";

/** A file's SHA-256 in hexadecimal. Rejects as Node does, and with the signal's reason. */
export async function sha256Of(file: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  const content = createReadStream(file, { highWaterMark: 2 ** 20 });
  await pipeline(content, hash, signal ? { signal } : {}).catch((error: unknown) => {
    signal?.throwIfAborted(); // with its reason, of which the stream's error says nothing
    throw error;
  });
  return hash.digest("hex");
}

const hashes = new Map<string, string>();

/** As `sha256Of`. The file is read again only when its size or time has changed. */
export async function hashFile(file: string, signal?: AbortSignal): Promise<string> {
  const { size, mtimeMs } = await stat(file);
  const version = `${file}/${size}/${mtimeMs}`;
  const known = hashes.get(version);
  if (known !== undefined) return known;
  const digest = await sha256Of(file, signal);
  hashes.set(version, digest);
  return digest;
}
