import vm from "node:vm";
import { LlamaEtsError } from "../engine/errors.js";

const LIMIT_MS = 1000;
const script = new vm.Script("work()");

/**
 * Runs synchronous work, which is stopped after a second: what a model writes can make an innocent
 * pattern backtrack for ever. Throws `ERR_REWARD` then.
 */
export function withTimeLimit<T>(what: string, work: () => T): T {
  try {
    return script.runInNewContext({ work }, { timeout: LIMIT_MS });
  } catch (error) {
    const code = (error as { code?: unknown } | null)?.code;
    if (code !== "ERR_SCRIPT_EXECUTION_TIMEOUT") throw error;
    throw new LlamaEtsError("ERR_REWARD", `${what} took more than ${LIMIT_MS} ms on one text`, {
      fix: "a pattern without nested repetition",
    });
  }
}
