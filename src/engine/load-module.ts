/** Loads the user's own modules (tasks and rewards). They run with the rights of this process. */
import Module, { register } from "node:module";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type ErrorCode, LlamaEtsError, messageOf, whyUnreadable } from "./errors.js";
import { refuseOtherThanFile } from "./read-file.js";

const HOOKS = new URL("../../dist/engine/own-package-hooks.js", import.meta.url);
const OWN_INDEX = new URL("../../dist/index.js", import.meta.url);
const OWN_COMMONJS = new URL("../../dist/commonjs/index.js", import.meta.url);
const NAME = "llama-ets";

let isRegistered = false;

/**
 * Returns the default export of a module. The module may import or require `llama-ets` from any folder,
 * even if the package is installed globally. Throws an error with `code` if the import fails.
 *
 * @param what the message's name for the kind of module, such as "task"
 */
export async function importDefault(file: string, what: string, code: ErrorCode): Promise<unknown> {
  try {
    const found = await refuseOtherThanFile(file).catch((error) => {
      throw new Error(whyUnreadable(error), { cause: error });
    });
    if (found.isDirectory()) throw new Error("it is a directory");
    if (!isRegistered) {
      register(HOOKS, { data: OWN_INDEX.href });
      letRequire();
    }
    isRegistered = true;
    return (await import(pathToFileURL(path.resolve(file)).href)).default;
  } catch (error) {
    const message = `Could not load the ${what} ${file}: ${messageOf(error)}`;
    throw new LlamaEtsError(code, message, { cause: error, ...fixOf(file, error) });
  }
}

/** A fix for syntax errors: Node's error doesn't name the line. */
function fixOf(file: string, error: unknown): { fix?: string } {
  const isSyntax = error instanceof SyntaxError && !error.message.includes("requested module");
  return isSyntax ? { fix: `\`node --check ${JSON.stringify(file)}\`, which shows the line` } : {};
}

/** Lets `require` find this package, as `register` does for `import`. Node 20 has no hooks for `require`. */
function letRequire(): void {
  type Resolve = (request: string, ...rest: unknown[]) => string;
  const resolver = Module as unknown as { _resolveFilename: Resolve };
  const resolve = resolver._resolveFilename;
  resolver._resolveFilename = function (this: unknown, request, ...rest) {
    try {
      return resolve.call(this, request, ...rest);
    } catch (error) {
      if (request !== NAME) throw error;
      return fileURLToPath(OWN_COMMONJS);
    }
  };
}
