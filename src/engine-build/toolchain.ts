/** Checks before a build what it needs of the machine, and names the fix for what is missing. */
import { spawnSync } from "node:child_process";
import { codeOf, LlamaEtsError } from "../engine/errors.js";

/** Throws `ERR_TOOL_NOT_FOUND`, naming the first that an addon's build misses. */
export function checkAddonToolchain(): void {
  if (!runs("git")) throw missing("git", "install git: llama.cpp's headers come as a git bundle");
  const pythons = [process.env.PYTHON ?? "python3", "python", "py"];
  if (!pythons.some(runs)) throw missing("Python 3", "install python3, which node-gyp runs on");
  checkCompiler();
  if (process.platform !== "win32" && !runs("make")) throw missing("make", "install make");
}

/** Throws `ERR_TOOL_NOT_FOUND`, naming the first that an engine's build misses. */
export function checkToolchain(definitions: ReadonlyMap<string, string>): void {
  if (!runs("git")) throw missing("git", "install git");
  if (!runs("cmake")) throw missing("CMake", "install cmake 3.19 or later (https://cmake.org)");
  if (process.platform === "win32") return; // cmake-js looks for Visual Studio
  const isChosen = definitions.has("CMAKE_CXX_COMPILER") || definitions.has("CMAKE_TOOLCHAIN_FILE");
  if (!isChosen) checkCompiler();
  if (!runs("ninja") && !runs("make")) throw missing("ninja or make", "install ninja or make");
}

function checkCompiler(): void {
  if (process.platform === "win32") return; // node-gyp and cmake-js look for Visual Studio
  if ([process.env.CXX ?? "c++", "g++", "clang++"].some(runs)) return;
  throw missing(
    "A C++ compiler",
    process.platform === "darwin" ? "xcode-select --install" : "install g++ or clang",
  );
}

function runs(command: string): boolean {
  const { error } = spawnSync(command, ["--version"], { stdio: "ignore" });
  return error === undefined || codeOf(error) !== "ENOENT";
}

function missing(what: string, fix: string): LlamaEtsError {
  return new LlamaEtsError("ERR_TOOL_NOT_FOUND", `${what} was not found`, { fix });
}
