import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { pipeline } from "node:stream/promises";

const hashes = new Map<string, string>();

/** A file's SHA-256 in hexadecimal. It is read again only when its size or time has changed. */
export async function hashFile(file: string, signal?: AbortSignal): Promise<string> {
  const { size, mtimeMs } = await stat(file);
  const version = `${file}/${size}/${mtimeMs}`;
  const known = hashes.get(version);
  if (known !== undefined) return known;
  const hash = createHash("sha256");
  await pipeline(createReadStream(file, { highWaterMark: 2 ** 20 }), hash, {
    ...(signal && { signal }),
  });
  const digest = hash.digest("hex");
  hashes.set(version, digest);
  return digest;
}
