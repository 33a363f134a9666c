import { type FileHandle, open, stat } from "node:fs/promises";
import { addon, callNow } from "./native.js";

/**
 * Takes an exclusive lock on a file, and creates the file if it is missing. Returns null if the lock is
 * held already, by another process or by this one. The lock is released by its disposal, and at the
 * latest when the process ends, even by a crash. On a network file system it is only as reliable as
 * that file system's locks.
 */
export async function lockFile(file: string): Promise<AsyncDisposable | null> {
  const handle: FileHandle = await open(file, "a");
  try {
    const isLocked = callNow(() => addon().lockFile(handle.fd));
    // The last holder may have removed the file, and another one may hold a new file of the same name.
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
