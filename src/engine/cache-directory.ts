/** Finds the directory for this package's cache, and the user's home directory. */
import { homedir } from "node:os";
import path from "node:path";
import { LlamaEtsError } from "./errors.js";

/** The fix for errors about files of the cache that can't be written. */
export const CACHE_FIX =
  "set XDG_CACHE_HOME (on Windows LOCALAPPDATA) to a directory that can be written";

/**
 * The directory for files that this package can create again. It follows the platform's convention,
 * and may not exist yet.
 *
 * @throws LlamaEtsError `ERR_WRITE` if it would lie in the home directory, and the user has none
 */
export function cacheDirectory(): string {
  return path.join(userCache(), "llama-ets");
}

/**
 * The user's home directory.
 *
 * @throws LlamaEtsError `ERR_WRITE` if there is none, as in a container that runs under a user id which
 *   the system doesn't know
 */
export function homeDirectory(): string {
  let home: string;
  try {
    home = homedir();
  } catch (cause) {
    throw noHome("the system knows no home directory of this user", cause);
  }
  if (!path.isAbsolute(home)) throw noHome(`HOME is ${JSON.stringify(home)}`);
  return home;
}

function noHome(why: string, cause?: unknown): LlamaEtsError {
  return new LlamaEtsError("ERR_WRITE", `Expected a home directory for files to keep: ${why}`, {
    fix: "set HOME (on Windows USERPROFILE) to a directory that can be written",
    cause,
  });
}

function userCache(): string {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  if (XDG_CACHE_HOME !== undefined && path.isAbsolute(XDG_CACHE_HOME)) return XDG_CACHE_HOME;
  if (process.platform === "win32") {
    return LOCALAPPDATA ?? path.join(homeDirectory(), "AppData", "Local");
  }
  if (process.platform === "darwin") return path.join(homeDirectory(), "Library", "Caches");
  return path.join(homeDirectory(), ".cache");
}
