/** Checks before a build what it needs of the machine, and names the fix for what is missing. */
import { spawnSync } from "node:child_process";
import path from "node:path";
import { codeOf, LlamaEtsError } from "../engine/errors.js";

/** What an engine's build needs, and why: for help texts. */
export const ENGINE_NEEDS = `It needs
  git, which extracts llama.cpp's source from the bundle that node-llama-cpp ships
  CMake 3.19 or later, and ninja or make
  a C++17 compiler (Windows: Visual Studio)
  --cuda: NVIDIA's CUDA Toolkit; --vulkan: glslc and Vulkan's headers; --metal: macOS
Nothing is downloaded. It takes minutes to an hour, and goes on where it was interrupted.`;

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
  checkBackends(definitions);
  if (process.platform === "win32") return; // cmake-js looks for Visual Studio
  const isChosen = definitions.has("CMAKE_CXX_COMPILER") || definitions.has("CMAKE_TOOLCHAIN_FILE");
  if (!isChosen) checkCompiler();
  if (!runs("ninja") && !runs("make")) throw missing("ninja or make", "install ninja or make");
}

/** Whether a CMake option is given and on, as CMake reads it. */
export function isSwitchedOn(definitions: ReadonlyMap<string, string>, name: string): boolean {
  const value = definitions.get(name);
  return value !== undefined && !/^(0|off|no|false|n|)$/i.test(value);
}

/** CMake would say so too, behind pages of its own. */
function checkBackends(definitions: ReadonlyMap<string, string>): void {
  const { CUDACXX, CUDA_PATH, VULKAN_SDK } = process.env;
  if (isSwitchedOn(definitions, "GGML_CUDA") && !definitions.has("CMAKE_CUDA_COMPILER")) {
    const places = [
      ...(CUDACXX ? [CUDACXX] : []),
      ...(CUDA_PATH ? [path.join(CUDA_PATH, "bin/nvcc")] : []),
      "nvcc",
      "/usr/local/cuda/bin/nvcc",
    ];
    if (!places.some(runs)) {
      throw missing(
        "nvcc, the compiler of NVIDIA's CUDA Toolkit,",
        "install the toolkit, or set CUDACXX to its nvcc",
      );
    }
  }
  if (isSwitchedOn(definitions, "GGML_VULKAN")) {
    const places = [...(VULKAN_SDK ? [path.join(VULKAN_SDK, "bin/glslc")] : []), "glslc"];
    if (!places.some(runs)) {
      throw missing(
        "glslc, which compiles Vulkan's shaders,",
        "apt install glslc libvulkan-dev spirv-headers, or the Vulkan SDK with VULKAN_SDK set",
      );
    }
  }
  if (isSwitchedOn(definitions, "GGML_METAL") && process.platform !== "darwin") {
    throw missing(`Metal, which is macOS's (this is ${process.platform}),`, "--vulkan or --cuda");
  }
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
