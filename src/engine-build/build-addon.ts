/** Builds the addon from the sources in the package, where no prebuilt one fits the machine. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { LlamaEtsError } from "../engine/errors.js";
import { PACKAGE_ROOT } from "../engine/package-files.js";
import { checkAddonToolchain } from "./toolchain.js";

/** What it needs, and why: for help texts. */
export const ADDON_NEEDS = `It needs
  a C++17 compiler and make (Windows: Visual Studio), which compile it
  python3, on which node-gyp runs
  git, which reads llama.cpp's headers out of the bundle that node-llama-cpp ships
  npm, which brings node-gyp; and Node's headers, which node-gyp downloads unless they lie beside Node`;

/**
 * Builds into the package's `build/Release`, which goes before the prebuilt addon. What the compiler
 * prints goes to stderr. Throws `ERR_TOOL_NOT_FOUND` and `ERR_BUILD_FAILED`.
 *
 * @returns the addon's path
 */
export async function buildAddon(): Promise<string> {
  checkAddonToolchain();
  const code = await new Promise<number | null>((resolve, reject) => {
    const child = spawn("npm", ["run", "build:native"], {
      cwd: PACKAGE_ROOT,
      env: { ...headersBesideNode(), ...process.env },
      shell: process.platform === "win32", // npm is a script there
      stdio: ["ignore", 2, 2],
    });
    child.on("error", (error) =>
      reject(
        new LlamaEtsError("ERR_TOOL_NOT_FOUND", `npm could not be started: ${error.message}`, {
          fix: "install npm, which brings node-gyp",
          cause: error,
        }),
      ),
    );
    child.on("close", resolve);
  });
  if (code === 0) return path.join(PACKAGE_ROOT, "build/Release/llama_ets.node");
  throw new LlamaEtsError("ERR_BUILD_FAILED", `The build ended with code ${code}; see above`, {
    fix: "npx llama-ets build-addon --help, which says what it needs",
  });
}

/** Node's headers as its archives and Debian's libnode-dev have them: nothing is downloaded then. */
function headersBesideNode(): Record<string, string> {
  const prefix = path.resolve(path.dirname(process.execPath), "..");
  const isThere = existsSync(path.join(prefix, "include/node/node_api.h"));
  return isThere ? { npm_config_nodedir: prefix } : {};
}
