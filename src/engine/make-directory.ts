/** Creates directories without Node's recursive `mkdir`. */
import { mkdir, stat } from "node:fs/promises";
import path from "node:path";
import { codeOf } from "./errors.js";

/**
 * Creates a directory and its missing parents. Rejects with Node's errors.
 *
 * Node's recursive `mkdir` loops for ever, and can't be interrupted, if an existing parent answers
 * ENOENT to a new directory in it, as `/proc` does. This function tries each directory at most twice.
 */
export async function makeDirectory(directory: string): Promise<void> {
  const missing: string[] = [];
  let at = path.resolve(directory);
  while (!(await isMade(at))) {
    missing.push(at);
    at = path.dirname(at);
  }
  for (const next of missing.reverse()) {
    if (!(await isMade(next))) await mkdir(next); // throws the reason
  }
}

/** Tries to create a directory. Returns whether it now exists; false if its parent is missing. */
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
