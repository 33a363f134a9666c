/** Files that are there whole or not at all. */
import { access, open, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { CACHE_FIX } from "./cache-directory.js";
import { LlamaEtsError, messageOf } from "./errors.js";
import { makeDirectory } from "./make-directory.js";

/**
 * Writes a file in one step, so that no reader and no kill finds half of it, and a full disk leaves what was
 * there. Rejects as Node does.
 *
 * @param mode the file's permissions; default: as the process makes files
 */
export async function writeWhole(
  file: string,
  content: string | Uint8Array | Iterable<string>,
  mode?: number,
): Promise<void> {
  const unfinished = `${file}.${process.pid}.unfinished`;
  try {
    const handle = await open(unfinished, "w");
    try {
      if (mode !== undefined) await handle.chmod(mode);
      await writeFile(handle, content);
      await handle.datasync();
    } finally {
      await handle.close();
    }
    await rename(unfinished, file);
  } catch (error) {
    await rm(unfinished, { force: true }).catch(() => {});
    throw error;
  }
}

/**
 * Makes a file of the cache unless it is there, with its directory; returns its path.
 *
 * @throws LlamaEtsError `ERR_WRITE` where it can't be kept; what `make` throws
 */
export async function makeUnlessThere(
  file: string,
  make: () => Promise<Uint8Array>,
): Promise<string> {
  const isThere = await access(file).then(
    () => true,
    () => false,
  );
  if (isThere) return file;
  const refuse = (cause: unknown): never => {
    const message = `${file} was not written: ${messageOf(cause)}`;
    throw new LlamaEtsError("ERR_WRITE", message, { fix: CACHE_FIX, cause });
  };
  // First: what can't be kept is not made.
  await makeDirectory(path.dirname(file)).catch(refuse);
  const content = await make();
  await writeWhole(file, content).catch(refuse);
  return file;
}
