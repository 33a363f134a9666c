import { homedir } from "node:os";
import path from "node:path";

/** Where this package keeps what can be made again, by the platform's custom. */
export function cacheDirectory(): string {
  return path.join(userCache(), "llama-ets");
}

function userCache(): string {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  if (XDG_CACHE_HOME !== undefined && path.isAbsolute(XDG_CACHE_HOME)) return XDG_CACHE_HOME;
  if (process.platform === "win32") {
    return LOCALAPPDATA ?? path.join(homedir(), "AppData", "Local");
  }
  if (process.platform === "darwin") return path.join(homedir(), "Library", "Caches");
  return path.join(homedir(), ".cache");
}
