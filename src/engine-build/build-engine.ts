/**
 * Builds llama.cpp's shared libraries from the source that node-llama-cpp ships, with own CMake
 * options: for a GPU or processor that no prebuilt engine serves. With them come `llama-batched-bench`,
 * `llama-perplexity` and `llama-quantize`, the yardsticks of benchmarks and studies, and under GGML_RPC
 * the server that lends a machine's devices.
 *
 * The work is done in `DIRECTORY.partial`, where an interrupted build goes on the next time; the
 * directory itself appears whole, by one rename.
 */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createWriteStream, existsSync, readFileSync } from "node:fs";
import { copyFile, readdir, rename, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { availableParallelism, cpus } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { cacheDirectory } from "../engine/cache-directory.js";
import { codeOf, LlamaEtsError, messageOf } from "../engine/errors.js";
import { ENGINE_METADATA } from "../engine/local/locate-engine.js";
import { makeDirectory } from "../engine/make-directory.js";
import { VERSION } from "../version.js";
import { extractSource, sourceRelease } from "./source-bundle.js";
import { checkToolchain, isSwitchedOn } from "./toolchain.js";

export interface BuildOptions {
  /** CMake's options, e.g. GGML_CUDA → ON. */
  definitions?: ReadonlyMap<string, string>;
  /** Default: a directory of the user's cache, named after the release and the options. */
  directory?: string;
  /** How many files are compiled at once. Default: one a core. */
  jobs?: number;
  /** Builds also what is already there. */
  force?: boolean;
  signal?: AbortSignal;
  /** Called with what is being done, and the share of it that is done where that is known. */
  onProgress?: (progress: { what: string; share?: number }) => void;
  /** Called with what CMake and the compiler print, which is kept in a log meanwhile. */
  onOutput?: (text: string) => void;
}

/** What another machine runs, so that models may lie on its devices: built with GGML_RPC. */
export const RPC_SERVER = "ggml-rpc-server";

const PROJECT = fileURLToPath(new URL("../../native/engine", import.meta.url));
const TARGET = "llama-ets-engine";
const WANTED = [/^(lib)?llama\./, /^llama-batched-bench(\.exe)?$/];
/** Characters of what a build said last, and lines of it that an error shows. */
const MAX_SAID = 20_000;
const SAID_LINES = 12;
/** ggml's backends for GPUs, as its CMake options name them. */
const GPU_BACKENDS = ["CUDA", "HIP", "MUSA", "VULKAN", "METAL", "SYCL", "OPENCL", "CANN", "WEBGPU"];

/**
 * The directory of the engine with these options, which `LLAMA_ETS_ENGINE` takes; built unless it
 * is there. Throws `ERR_TOOL_NOT_FOUND`, `ERR_BUILD_FAILED`, `ERR_INVALID_OPTION`, `ERR_WRITE`;
 * the signal's reason when aborted.
 */
export async function buildEngine(options: BuildOptions = {}): Promise<string> {
  const { definitions = new Map(), jobs = availableParallelism(), signal } = options;
  const directory = path.resolve(options.directory ?? defaultDirectory(definitions));
  if (isEngine(directory) && !options.force) return directory;
  refuseForeign(directory);
  checkToolchain(definitions);

  const work = `${directory}.partial`;
  const source = path.join(work, "source");
  const out = path.join(work, "build");
  const report = options.onProgress ?? (() => {});
  await makeDirectory(work).catch((error) => refuse(work, error));
  const release = await lock(work);
  try {
    report({ what: `Extracting llama.cpp ${sourceRelease()}` });
    await extractSource(source, signal);
    const settings = new Map([["LLAMA_CPP_SOURCE", source], ...definitions]);
    const defines = [...settings].map(([name, value]) => `--CD${name}=${value}`);
    const place = ["--directory", PROJECT, "--out", out, "--config", "Release"];
    const log = path.join(work, "build.log");
    const run = (args: readonly string[], onShare?: (share: number) => void) =>
      cmakeJs([...args, ...defines], { log, signal, onOutput: options.onOutput, onShare });
    report({ what: "Configuring" });
    await run(["configure", ...place]);
    const what = `Building in ${out}, ${jobs} files at a time`;
    report({ what: `${what}: minutes on few cores` });
    const build = ["build", ...place, "--target", TARGET, "--parallel", String(jobs)];
    await run(build, (share) => report({ what, share }));
    await publish(out, directory, definitions).catch((error) => refuse(directory, error));
  } finally {
    await release();
  }
  await rm(work, { recursive: true, force: true });
  return directory;
}

/** The engine with these options that the cache has; `null` when it was not built. */
export function cachedEngine(definitions: ReadonlyMap<string, string> = new Map()): string | null {
  const directory = defaultDirectory(definitions);
  return isEngine(directory) ? directory : null;
}

function isEngine(directory: string): boolean {
  return existsSync(path.join(directory, ENGINE_METADATA));
}

function defaultDirectory(definitions: ReadonlyMap<string, string>): string {
  const options = [...definitions].sort(([a], [b]) => (a < b ? -1 : 1));
  // Without GGML_NATIVE=OFF the code is made for this very processor.
  const machine = [process.platform, process.arch, cpus()[0]?.model];
  const hash = createHash("sha256")
    .update(JSON.stringify([machine, options]))
    .digest("hex");
  return path.join(cacheDirectory(), "engine", `${sourceRelease()}-${hash.slice(0, 12)}`);
}

/** What is replaced must be an engine, or nothing. */
function refuseForeign(directory: string): void {
  if (!existsSync(directory) || isEngine(directory)) return;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    `Expected an engine's directory or none at ${directory}; it holds something else`,
    { fix: "a directory that doesn't exist yet" },
  );
}

function refuse(directory: string, cause: unknown): never {
  if (cause instanceof LlamaEtsError) throw cause;
  const message = `The engine can't be written to ${directory}: ${messageOf(cause)}`;
  const fix = "another --out, or more space on the disk";
  throw new LlamaEtsError("ERR_WRITE", message, { fix, cause });
}

/** Only one process builds in a directory; returns what lets go of it. */
async function lock(work: string): Promise<() => Promise<void>> {
  const file = path.join(work, "building.pid");
  try {
    await writeFile(file, String(process.pid), { flag: "wx" });
  } catch (error) {
    if (codeOf(error) !== "EEXIST") refuse(work, error);
    const owner = Number(readFileSync(file, "utf8"));
    if (isRunning(owner)) {
      throw new LlamaEtsError("ERR_BUILD_FAILED", `Process ${owner} is building in ${work}`, {
        fix: "wait for it, or end it",
      });
    }
    await writeFile(file, String(process.pid)); // its owner was killed
  }
  return () => rm(file, { force: true });
}

function isRunning(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) === "EPERM";
  }
}

interface CmakeRun {
  /** The file to which its output is appended. */
  log: string;
  signal: AbortSignal | undefined;
  onOutput: ((text: string) => void) | undefined;
  /** Told of the share that is built, from 0 to 1. */
  onShare: ((share: number) => void) | undefined;
}

/** Runs cmake-js and, on an abort, ends it with all it started. */
function cmakeJs(args: readonly string[], run: CmakeRun): Promise<void> {
  const { log, signal } = run;
  const require = createRequire(import.meta.url);
  const script = path.join(path.dirname(require.resolve("cmake-js/package.json")), "bin/cmake-js");
  const ownsGroup = process.platform !== "win32";
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const child = spawn(process.execPath, [script, ...args, "--log-level", "warn"], {
      detached: ownsGroup,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const kept = createWriteStream(log, { flags: "a" }).on("error", () => {}); // a full disk shows elsewhere
    let said = "";
    const listen = (text: string) => {
      kept.write(text);
      run.onOutput?.(text);
      said = (said + text).slice(-MAX_SAID);
      const share = shareOf(text);
      if (share !== undefined) run.onShare?.(share);
    };
    for (const output of [child.stdout, child.stderr])
      output.setEncoding("utf8").on("data", listen);
    const stop = () => {
      if (ownsGroup && child.pid !== undefined) process.kill(-child.pid, "SIGTERM");
      else child.kill();
    };
    signal?.addEventListener("abort", stop, { once: true });
    child.on("error", reject);
    child.on("close", (code, killer) => {
      kept.end();
      signal?.removeEventListener("abort", stop);
      if (signal?.aborted) return reject(signal.reason);
      if (code === 0) return resolve();
      const how = `cmake-js ${args[0]} ended with ${killer ?? `code ${code}`}`;
      reject(
        new LlamaEtsError("ERR_BUILD_FAILED", `${how}, after:\n${complaintsOf(said)}`, {
          fix: `read ${log}, mend it and run the command again: it goes on where it stopped`,
        }),
      );
    });
  });
}

/** How much ninja ("[45/146] …") or make ("[ 31%] …") has built, where they say it. */
function shareOf(text: string): number | undefined {
  const [, done, total, percent] =
    [...text.matchAll(/^\[(?:(\d+)\/(\d+)| *(\d+)%)\]/gm)].at(-1) ?? [];
  if (percent !== undefined) return Number(percent) / 100;
  return done === undefined ? undefined : Number(done) / Number(total);
}

/** What an output says went wrong, else how it ends. */
function complaintsOf(output: string): string {
  const lines = output.trimEnd().split("\n");
  const first = lines.findIndex((line) => /CMake Error|\berror\b|^FAILED/i.test(line));
  return lines
    .slice(first < 0 ? -SAID_LINES : first, first < 0 ? undefined : first + SAID_LINES)
    .join("\n");
}

/** Moves what was built to its place, with the metadata that node-llama-cpp's engines have. */
async function publish(
  out: string,
  directory: string,
  definitions: ReadonlyMap<string, string>,
): Promise<void> {
  const staging = `${directory}.partial/engine`;
  await rm(staging, { recursive: true, force: true });
  await makeDirectory(staging);
  const built = [path.join(out, "bin"), path.join(out, "bin", "Release")];
  for (const folder of built.filter((name) => existsSync(name))) {
    for (const file of await readdir(folder, { withFileTypes: true })) {
      if (file.isDirectory()) continue;
      await copyFile(path.join(folder, file.name), path.join(staging, file.name));
    }
  }
  const made = await readdir(staging);
  for (const wanted of WANTED) {
    if (made.some((name) => wanted.test(name))) continue;
    throw new LlamaEtsError("ERR_BUILD_FAILED", `The build made no file that fits ${wanted}`);
  }
  const metadata = {
    buildOptions: {
      customCmakeOptions: Object.fromEntries(definitions),
      platform: process.platform,
      arch: process.arch,
      gpu: gpuOf(definitions),
      llamaCpp: { repo: "ggml-org/llama.cpp", release: sourceRelease() },
    },
    builtBy: `llama-ets ${VERSION}`,
  };
  await writeFile(path.join(staging, ENGINE_METADATA), JSON.stringify(metadata));
  await rm(directory, { recursive: true, force: true });
  await rename(staging, directory);
}

/** The GPU backend switched on, as node-llama-cpp's metadata has it. */
function gpuOf(definitions: ReadonlyMap<string, string>): string | false {
  const isOn = (backend: string) => {
    const name = `GGML_${backend}`;
    const isDefault = backend === "METAL" && process.platform === "darwin";
    return definitions.has(name) ? isSwitchedOn(definitions, name) : isDefault;
  };
  return GPU_BACKENDS.find(isOn)?.toLowerCase() ?? false;
}
