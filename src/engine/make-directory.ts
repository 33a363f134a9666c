/** Directories, made without Node's recursive `mkdir`. */
import { mkdir, stat } from "node:fs/promises";
import path from "node:path";
import { codeOf } from "./errors.js";

/**
 * Makes a directory, and those that it lies in, unless they are there. Rejects as Node does.
 *
 * Node's recursive `mkdir` never ends, and can't be interrupted, where a directory that exists denies
 * the one in it with ENOENT, as `/proc` does. This one asks for each directory at most twice.
 */
export async function makeDirectory(directory: string): Promise<void> {
  const missing: string[] = [];
  let at = path.resolve(directory);
  while (!(await isMade(at))) {
    missing.push(at);
    at = path.dirname(at);
  }
  for (const next of missing.reverse()) {
    if (!(await isMade(next))) await mkdir(next); // which says why
  }
}

/** Whether the directory is there now; false where the one that it lies in is missing. */
async function isMade(directory: string): Promise<boolean> {
  try {
    await mkdir(directory);
    return true;
  } catch (error) {
    const stats = await stat(directory).catch(() => undefined);
    if (stats?.isDirectory()) return true;
    if (codeOf(error) === "ENOENT" && path.dirname(directory) !== directory) return false;
    throw error;
  }
}
