/** Modules of the user's own: tasks and rewards. They run with the rights of this process. */
import { register } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { type ErrorCode, LlamaEtsError, messageOf, whyUnreadable } from "./errors.js";
import { refuseOtherThanFile } from "./read-file.js";

const HOOKS = new URL("../../dist/engine/own-package-hooks.js", import.meta.url);
const OWN_INDEX = new URL("../../dist/index.js", import.meta.url);

let isRegistered = false;

/**
 * The default export of a module's file. It may import `llama-ets` wherever it lies, also where the
 * package is installed globally. Throws `code` for what can't be imported; `what` is its name for it.
 */
export async function importDefault(file: string, what: string, code: ErrorCode): Promise<unknown> {
  try {
    const found = await refuseOtherThanFile(file).catch((error) => {
      throw new Error(whyUnreadable(error), { cause: error });
    });
    if (found.isDirectory()) throw new Error("it is a directory");
    if (!isRegistered) register(HOOKS, { data: OWN_INDEX.href });
    isRegistered = true;
    return (await import(pathToFileURL(path.resolve(file)).href)).default;
  } catch (error) {
    const message = `Could not load the ${what} ${file}: ${messageOf(error)}`;
    throw new LlamaEtsError(code, message, { cause: error });
  }
}
