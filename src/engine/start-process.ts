/** Starts processes, and reports the error if one can't start. */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { isMainThread } from "node:worker_threads";
import { loadAddon } from "./local/load-addon.js";
import type { Addon } from "./local/native.js";

/**
 * Starts a process. Rejects if it can't start. In that case, for example without free file descriptors,
 * `spawn` returns a process without streams, and reports the reason only in an `error` event. The
 * process is killed when this thread ends.
 */
export async function startProcess(
  program: string,
  args: readonly string[],
  options: SpawnOptions,
): Promise<ChildProcess> {
  const child = spawn(program, args, options);
  if (child.pid === undefined) {
    const [error] = await once(child, "error");
    throw error;
  }
  endWithThread(child);
  return child;
}

/**
 * Node forgets the children of a thread that ends: they would live on, or stay zombies of the app. Where
 * the addon can't be loaded, they end with their channels alone.
 */
export function endWithThread(child: ChildProcess): void {
  const { pid } = child;
  if (isMainThread || pid === undefined || process.platform === "win32") return;
  let addon: Addon;
  try {
    addon = loadAddon() as Addon;
  } catch {
    return;
  }
  addon.holdChild(pid);
  child.once("exit", () => addon.releaseChild(pid));
}
