/** Downloads data files from where their authors publish them, and keeps them in the user's cache. */
import { createHash } from "node:crypto";
import path from "node:path";
import { cacheDirectory } from "../engine/cache-directory.js";
import { LlamaEtsError, messageOf } from "../engine/errors.js";
import { makeUnlessThere } from "../engine/whole-file.js";
import type { LoadOptions } from "./task.js";

export interface DataSource {
  url: string;
  /** The file's SHA-256 in hexadecimal; null if it isn't known. */
  sha256: string | null;
  /** The file's name in the cache. */
  name: string;
}

/**
 * Returns the path of the file, and downloads it if necessary. Throws `ERR_DOWNLOAD` (also if downloads are
 * not allowed), `ERR_WRITE`, and the signal's reason when aborted.
 */
export async function download(source: DataSource, options: LoadOptions = {}): Promise<string> {
  const file = path.join(cacheDirectory(), "data", source.name);
  try {
    return await makeUnlessThere(file, () => fetchChecked(source, options));
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error instanceof LlamaEtsError) throw error;
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    throw new LlamaEtsError(
      "ERR_DOWNLOAD",
      `${source.name} could not be downloaded from ${source.url}: ${messageOf(cause)}`,
      { fix: "--data FILE with the file downloaded by other means", cause: error },
    );
  }
}

async function fetchChecked(
  { url, sha256 }: DataSource,
  { download: isAllowed = true, signal, onProgress }: LoadOptions,
): Promise<Buffer> {
  if (!isAllowed) throw new Error("nothing is to be downloaded");
  const response = await fetch(url, signal ? { signal } : {});
  if (!response.ok || response.body === null) {
    throw new Error(`the server answered ${response.status} ${response.statusText}`);
  }
  const total = Number(response.headers.get("content-length") ?? 0);
  const hash = createHash("sha256");
  const chunks: Uint8Array[] = [];
  let received = 0;
  for await (const chunk of response.body) {
    chunks.push(chunk);
    hash.update(chunk);
    received += chunk.length;
    onProgress?.({ received, total });
  }
  const actual = hash.digest("hex");
  if (sha256 !== null && actual !== sha256)
    throw new Error(`expected SHA-256 ${sha256}, got ${actual}`);
  return Buffer.concat(chunks);
}
