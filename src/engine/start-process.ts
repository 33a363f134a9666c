/** Starts processes, and reports the error if one can't start. */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";

/**
 * Starts a process. Rejects if it can't start. In that case, for example without free file descriptors,
 * `spawn` returns a process without streams, and reports the reason only in an `error` event.
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
