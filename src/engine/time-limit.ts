/** A time limit for work on untrusted input, such as patterns that backtrack and schemas that multiply. */
import vm from "node:vm";

const script = new vm.Script("work()");
let isLimited = false;

/**
 * Runs synchronous work, and stops it after the given time. It then throws the error that `late` returns.
 * A nested call has no limit of its own: the outermost limit applies.
 */
export function withTimeLimit<T>(milliseconds: number, work: () => T, late: () => Error): T {
  if (isLimited) return work();
  isLimited = true;
  try {
    return script.runInNewContext({ work }, { timeout: milliseconds });
  } catch (error) {
    const code = (error as { code?: unknown } | null)?.code;
    throw code === "ERR_SCRIPT_EXECUTION_TIMEOUT" ? late() : error;
  } finally {
    isLimited = false;
  }
}
