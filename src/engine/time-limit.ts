/** Work that what comes from outside may keep from ending: patterns that backtrack, schemas that multiply. */
import vm from "node:vm";

const script = new vm.Script("work()");
let isLimited = false;

/**
 * Runs synchronous work, which is stopped after so many milliseconds; `late` says what is thrown then. Work
 * within such work shares its limit.
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
