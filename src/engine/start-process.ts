/** Processes that may not start: where the system has no room for another, for one. */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";

/**
 * Starts a process. Rejects where it can't be: without descriptors left, `spawn` returns a process that
 * lacks its streams, and tells why in an event that nobody may hear.
 */
export async function startProcess(
  program: string,
  args: readonly string[],
  options: SpawnOptions,
): Promise<ChildProcess> {
  const child = spawn(program, args, options);
  if (child.pid !== undefined) return child;
  const [error] = await once(child, "error");
  throw error;
}
