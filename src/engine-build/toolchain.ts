/** Checks before a build what it needs of the machine, and names the fix for what is missing. */
import { spawnSync } from "node:child_process";
import { codeOf, LlamaEtsError } from "../engine/errors.js";

/** Throws `ERR_TOOL_NOT_FOUND`, naming the first that is missing. */
export function checkToolchain(definitions: ReadonlyMap<string, string>): void {
  if (!runs("git")) throw missing("git", "install git");
  if (!runs("cmake")) throw missing("CMake", "install cmake 3.19 or later (https://cmake.org)");
  if (process.platform === "win32") return; // cmake-js looks for Visual Studio
  const isChosen = definitions.has("CMAKE_CXX_COMPILER") || definitions.has("CMAKE_TOOLCHAIN_FILE");
  const compilers = [process.env.CXX ?? "c++", "g++", "clang++"];
  if (!isChosen && !compilers.some(runs)) {
    throw missing(
      "A C++ compiler",
      process.platform === "darwin" ? "xcode-select --install" : "install g++ or clang",
    );
  }
  if (!runs("ninja") && !runs("make")) throw missing("ninja or make", "install ninja or make");
}

function runs(command: string): boolean {
  const { error } = spawnSync(command, ["--version"], { stdio: "ignore" });
  return error === undefined || codeOf(error) !== "ENOENT";
}

function missing(what: string, fix: string): LlamaEtsError {
  return new LlamaEtsError("ERR_TOOL_NOT_FOUND", `${what} was not found`, { fix });
}
