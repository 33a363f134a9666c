/** Writes files so that no reader ever finds a partial one. */
import { access, open, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { CACHE_FIX } from "./cache-directory.js";
import { LlamaEtsError, messageOf } from "./errors.js";
import { makeDirectory } from "./make-directory.js";

/**
 * Writes a new file and renames it to its name. So readers find the old or the new content, never a part
 * of it, even if the process is killed or the disk is full. Rejects with Node's errors.
 *
 * @param mode the file's permissions; default: those that the process gives new files
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
 * Creates a file of the cache and its directory, unless the file exists. Returns its path.
 *
 * @throws LlamaEtsError `ERR_WRITE` if the file can't be written; also throws what `make` throws
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
  // The directory comes first: if it can't be created, `make` doesn't run for nothing.
  await makeDirectory(path.dirname(file)).catch(refuse);
  const content = await make();
  await writeWhole(file, content).catch(refuse);
  return file;
}
