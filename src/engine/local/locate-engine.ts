/**
 * Finds the directory of llama.cpp's libraries. It is the directory that the user has chosen (one that
 * `llama-ets build-engine` made), or else that of node-llama-cpp's engine for this platform.
 *
 * Without a GPU this takes a few milliseconds and loads no module of node-llama-cpp. Only if there may
 * be a GPU, node-llama-cpp is loaded to detect it.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { LlamaEtsError, messageOf } from "../errors.js";
import { unpackedPath } from "../package-files.js";
import { addon } from "./native.js";

/** Which kind of engine to use. "auto" takes the best that works on this machine, `false` the CPU. */
export type GpuChoice = "auto" | "cuda" | "vulkan" | "metal" | false;

/** An engine's directory, and what it was built for. */
export interface EngineLocation {
  directory: string;
  /** llama.cpp's release, e.g. "v0.5.0". */
  release: string;
  /** "other" stands for a chosen engine that was built for any other backend. */
  gpu: "cuda" | "vulkan" | "metal" | "other" | false;
}

/** The file that describes the engine in a directory. The name is node-llama-cpp's. */
export const ENGINE_METADATA = "_nlcBuildMetadata.json";

/** The fix for errors about a chosen engine. */
const ANOTHER =
  "a directory that `npx llama-ets build-engine` prints, or the installed engine: no --engine (`engine`), and unset LLAMA_ETS_ENGINE";

const REINSTALL = "npm ci (with optional dependencies, which hold the prebuilt engines)";

/**
 * Finds the engine in the chosen directory (by default that of the environment variable
 * `LLAMA_ETS_ENGINE`), or else the engine for this machine. Throws `ERR_ENGINE_NOT_FOUND` or
 * `ERR_ENGINE_MISMATCH`.
 */
export async function locateEngine(
  gpu: GpuChoice = "auto",
  chosen: string | undefined = process.env.LLAMA_ETS_ENGINE,
): Promise<EngineLocation> {
  if (chosen !== undefined && chosen !== "")
    return chosenEngine(unpackedPath(path.resolve(chosen)), gpu);
  const missing = gpu === false ? undefined : missingFor(gpu);
  if (gpu !== false && missing !== undefined) throw unusable(gpu, missing);
  const location =
    gpu === false || (gpu === "auto" && !mayHaveGpu())
      ? { directory: await prebuiltCpuEngine(), gpu: false as const }
      : await detectGpuEngine(gpu);
  return { ...location, release: checkEngine(location.directory, REINSTALL).release };
}

/** The libraries by which engines use a GPU, which come with its driver; and what their absence means. */
const DRIVERS: Partial<Record<string, Partial<Record<NodeJS.Platform, [string, string]>>>> = {
  cuda: {
    linux: ["libcuda.so.1", "no NVIDIA driver"],
    win32: ["nvcuda.dll", "no NVIDIA driver"],
  },
  vulkan: {
    linux: ["libvulkan.so.1", "no Vulkan loader"],
    win32: ["vulkan-1.dll", "no Vulkan loader"],
  },
};

/**
 * Says what this machine lacks for a kind of GPU; undefined if nothing is missing. node-llama-cpp doesn't
 * report it: on other systems than macOS, a request for Metal silently gives the CPU.
 */
function missingFor(gpu: Exclude<GpuChoice, false>): string | undefined {
  if (gpu === "metal" && process.platform !== "darwin") {
    return `Metal is macOS's, this is ${process.platform}`;
  }
  const [library, meaning] = DRIVERS[gpu]?.[process.platform] ?? [];
  if (library === undefined || isThere(library)) return undefined;
  return `\`${library}\` can't be loaded: ${meaning}`;
}

/** Throws if a kind of GPU was requested, and the open engine finds none. */
export function refuseWithoutDevice(gpu: GpuChoice, directory: string): void {
  if (gpu === false || gpu === "auto") return;
  throw unusable(gpu, missingFor(gpu) ?? `the engine in ${directory} finds no device`);
}

/** Whether the system finds a shared library. */
function isThere(library: string): boolean {
  try {
    process.dlopen({ exports: {} }, library);
    return true;
  } catch (error) {
    // `dlopen` also fails for a library that it has found and loaded, because it is no addon.
    return /self-register|not a valid|initialize/i.test(messageOf(error));
  }
}

/** The error for a requested kind of GPU that doesn't work. */
function unusable(gpu: string, why: string, cause?: unknown): LlamaEtsError {
  return new LlamaEtsError(
    "ERR_ENGINE_NOT_FOUND",
    `No ${gpu} engine works on this machine: ${why}`,
    { fix: "gpu: false (--gpu off), or `npx llama-ets doctor` to see what is there", cause },
  );
}

function chosenEngine(directory: string, gpu: GpuChoice): EngineLocation {
  const { release, gpu: built } = checkEngine(directory, ANOTHER);
  if (typeof gpu === "string" && gpu !== "auto" && gpu !== built) {
    throw new LlamaEtsError(
      "ERR_ENGINE_MISMATCH",
      `Expected an engine for ${gpu}, the one in ${directory} was built for ${built || "the CPU"}`,
      { fix: `npx llama-ets build-engine --${gpu}` },
    );
  }
  return { directory, release, gpu: gpu === false ? false : built };
}

/** Whether there may be a GPU: detection takes half a second. On Linux, a GPU's driver has files in /dev. */
function mayHaveGpu(): boolean {
  if (process.platform !== "linux") return true;
  if (existsSync("/dev/nvidiactl") || existsSync("/dev/dxg")) return true;
  return existsSync("/dev/dri") && readdirSync("/dev/dri").some((n) => n.startsWith("renderD"));
}

function nodeLlamaCpp(): string {
  const require = createRequire(import.meta.url);
  try {
    return require.resolve("node-llama-cpp");
  } catch (error) {
    throw new LlamaEtsError("ERR_ENGINE_NOT_FOUND", "The package node-llama-cpp is not installed", {
      fix: REINSTALL,
      cause: error,
    });
  }
}

/** The version of node-llama-cpp. The packages of its engines have the same version. */
function peerVersion(): string {
  const manifest = path.resolve(path.dirname(nodeLlamaCpp()), "../package.json");
  return JSON.parse(readFileSync(manifest, "utf8")).version;
}

/** node-llama-cpp's name for this platform's CPU engine. */
function cpuPlatform(): string {
  const system = { linux: "linux", darwin: "mac", win32: "win" }[process.platform as string];
  const arch = process.arch === "arm" ? "armv7l" : process.arch;
  if (process.platform === "darwin" && arch === "arm64") return "mac-arm64-metal";
  return `${system ?? process.platform}-${arch}`;
}

/** The directory of node-llama-cpp's CPU engine. Throws `ERR_ENGINE_NOT_FOUND`. */
export async function prebuiltCpuEngine(): Promise<string> {
  const platform = cpuPlatform();
  const packageName = `@node-llama-cpp/${platform}`;
  // Package managers put node-llama-cpp's dependencies beside it, so resolve from its location.
  const require = createRequire(nodeLlamaCpp());
  try {
    const entry = pathToFileURL(require.resolve(packageName)).href;
    const { getBinsDir } = (await import(entry)) as { getBinsDir(): { binsDir: string } };
    return unpackedPath(path.join(getBinsDir().binsDir, platform));
  } catch (error) {
    throw new LlamaEtsError(
      "ERR_ENGINE_NOT_FOUND",
      `The package ${packageName}, which holds llama.cpp for this platform, is not installed`,
      {
        fix: `${REINSTALL}; or it alone: npm install ${packageName}@${peerVersion()}`,
        cause: error,
      },
    );
  }
}

/** Asks node-llama-cpp which of its engines works with this machine's GPU. */
async function detectGpuEngine(
  gpu: Exclude<GpuChoice, false>,
): Promise<Omit<EngineLocation, "release">> {
  nodeLlamaCpp();
  const { getLlama } = await import("node-llama-cpp");
  try {
    const llama = await getLlama({ gpu, build: "never", progressLogs: false });
    // It doesn't report which directory it chose, but the process's list of loaded libraries shows it.
    const report = process.report.getReport() as { sharedObjects?: string[] };
    const binding = report.sharedObjects?.find((file) => file.endsWith("llama-addon.node"));
    if (binding === undefined) throw new Error("its binding was not found among loaded libraries");
    const location = { directory: path.dirname(binding), gpu: llama.gpu };
    // node-llama-cpp accepts a GPU library that finds no device, as in a container.
    const devices = llama.gpu === false ? [] : await llama.getGpuDeviceNames();
    await llama.dispose();
    if (gpu !== "auto" && llama.gpu !== gpu) throw new Error("there is none for this platform");
    if (devices.length > 0) return location;
    if (gpu !== "auto") throw new Error(`${gpu} finds no device`);
    return { directory: await prebuiltCpuEngine(), gpu: false };
  } catch (error) {
    if (gpu === "auto") return { directory: await prebuiltCpuEngine(), gpu: false };
    throw unusable(gpu, reasonOf(error), error);
  }
}

/** The error's message, with node-llama-cpp's unclear "NoBinaryFoundError" put in words. */
function reasonOf(error: unknown): string {
  const message = messageOf(error);
  return message === "NoBinaryFoundError" ? "none of the prebuilt ones could be loaded" : message;
}

/**
 * Reads an engine's metadata and checks its release. Struct layouts change between releases of
 * llama.cpp, so the addon runs only with the release that it was compiled for.
 */
function checkEngine(directory: string, fix: string): Pick<EngineLocation, "release" | "gpu"> {
  const expected = addon().engineRelease;
  const file = path.join(directory, ENGINE_METADATA);
  let built: { llamaCpp?: { release?: unknown }; gpu?: unknown } | undefined;
  try {
    built = JSON.parse(readFileSync(file, "utf8"))?.buildOptions;
  } catch (error) {
    throw new LlamaEtsError(
      "ERR_ENGINE_NOT_FOUND",
      `Expected an engine of llama.cpp ${expected} in ${directory}; its build metadata could not be read`,
      { fix, cause: error },
    );
  }
  const found = built?.llamaCpp?.release;
  if (found !== expected) {
    throw new LlamaEtsError(
      "ERR_ENGINE_MISMATCH",
      `The addon was built for llama.cpp ${expected}, the engine in ${directory} is ${found}`,
      {
        fix: "npm ci, for the engine that belongs to this version; or `npx llama-ets build-addon`",
      },
    );
  }
  const kinds = ["cuda", "vulkan", "metal"] as const;
  const gpu = kinds.find((kind) => kind === built?.gpu) ?? (built?.gpu ? "other" : false);
  return { release: expected, gpu };
}
