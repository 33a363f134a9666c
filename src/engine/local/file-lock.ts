import { type FileHandle, open } from "node:fs/promises";
import { addon, callNow } from "./native.js";

/**
 * An exclusive lock on a file, which is made if need be; `null` when somebody else, also within
 * this process, holds it. Disposing gives it back; so does the end of the process, however it
 * comes. On network file systems it holds as far as their locks do.
 */
export async function lockFile(file: string): Promise<AsyncDisposable | null> {
  const handle: FileHandle = await open(file, "a");
  try {
    if (callNow(() => addon().lockFile(handle.fd))) return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
  await handle.close();
  return null;
}
