import { type FileHandle, open, stat } from "node:fs/promises";
import { addon, callNow } from "./native.js";

/**
 * An exclusive lock on a file, which is made if need be; `null` when somebody else, also within
 * this process, holds it. Disposing gives it back; so does the end of the process, however it
 * comes. On network file systems it holds as far as their locks do.
 */
export async function lockFile(file: string): Promise<AsyncDisposable | null> {
  const handle: FileHandle = await open(file, "a");
  try {
    const isLocked = callNow(() => addon().lockFile(handle.fd));
    // Its last holder may have removed it: somebody else may hold a new one of its name.
    if (isLocked && (await isStillThere(file, handle))) return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
  await handle.close();
  return null;
}

async function isStillThere(file: string, handle: FileHandle): Promise<boolean> {
  const [named, held] = await Promise.all([stat(file).catch(() => undefined), handle.stat()]);
  return named?.ino === held.ino && named.dev === held.dev;
}
