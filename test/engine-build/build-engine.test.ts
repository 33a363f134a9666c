/** build:engine with stand-ins for git, CMake and the compiler: what it makes of how they end. */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { locateEngine } from "../../src/engine/local/locate-engine.js";
import { addon } from "../../src/engine/local/native.js";
import { buildEngine } from "../../src/engine-build/build-engine.js";
import { temporary } from "../fixtures/temporary-directory.js";

const TOOLS = temporary("tools");
const CACHE = temporary("cache");

/** Scripts that do as much as the build looks at. */
const STAND_INS: Record<string, string> = {
  git: `[ "$1" = clone ] || exit 0; for place; do :; done; mkdir -p "$place"; echo extracted >> '${TOOLS}/log'`,
  cmake: `
    case "$1" in
      --version) ;;
      --build) echo built >> '${TOOLS}/log'; mkdir -p "$2/bin"; 
        : > "$2/bin/libllama.so"; : > "$2/bin/llama-batched-bench" ;;
      *) echo "configured $*" >> '${TOOLS}/log'; : > CMakeCache.txt ;;
    esac`,
  "c++": "",
  "g++": "",
  make: "",
  nvcc: "",
  glslc: "",
};

function install(name: string, script: string): void {
  writeFileSync(path.join(TOOLS, name), `#!/bin/sh\nPATH=/usr/bin:/bin\n${script}\n`);
  chmodSync(path.join(TOOLS, name), 0o755);
}

const done = () => readFileSync(path.join(TOOLS, "log"), "utf8").match(/^\w+/gm);

describe.skipIf(process.platform === "win32")("build:engine", () => {
  beforeEach(() => {
    for (const directory of [TOOLS, CACHE]) {
      rmSync(directory, { recursive: true, force: true });
      mkdirSync(directory);
    }
    for (const [name, script] of Object.entries(STAND_INS)) install(name, script);
    vi.stubEnv("PATH", TOOLS);
    vi.stubEnv("CXX", undefined);
    vi.stubEnv("XDG_CACHE_HOME", CACHE);
  });
  afterEach(() => vi.unstubAllEnvs());

  test("makes a directory of the cache that LLAMA_ETS_ENGINE takes, and nothing else", async () => {
    const directory = await buildEngine();
    expect(path.dirname(directory)).toBe(path.join(CACHE, "llama-ets/engine"));
    expect(path.basename(directory)).toMatch(new RegExp(`^${addon().engineRelease}-[0-9a-f]{12}$`));
    expect(readdirSync(path.dirname(directory))).toEqual([path.basename(directory)]);
    expect(existsSync(path.join(directory, "libllama.so"))).toBe(true);
    const release = addon().engineRelease;
    expect(await locateEngine("auto", directory)).toEqual({ directory, release, gpu: false });
  });

  test("builds once; --force builds again", async () => {
    const directory = await buildEngine();
    expect(await buildEngine()).toBe(directory);
    expect(done()).toEqual(["extracted", "configured", "built"]);
    expect(await buildEngine({ force: true })).toBe(directory);
    expect(done()).toHaveLength(6);
  });

  test("tells of the share that is built, as ninja and make say it", async () => {
    install("cmake", `${STAND_INS.cmake}\n[ "$1" != --build ] || echo '[3/12] cc'`);
    const told: unknown[] = [];
    await buildEngine({ jobs: 2, onProgress: ({ share }) => told.push(share) });
    expect(told).toEqual([undefined, undefined, undefined, 0.25]);
    install("cmake", `${STAND_INS.cmake}\n[ "$1" != --build ] || echo '[  7%] Built'`);
    await buildEngine({ force: true, onProgress: ({ share }) => told.push(share) });
    expect(told.at(-1)).toBe(0.07);
  });

  test("hands CMake the options, and keeps engines of other options apart", async () => {
    const plain = await buildEngine();
    const definitions = new Map([
      ["GGML_CUDA", "ON"],
      ["CMAKE_CUDA_ARCHITECTURES", "80;90"],
    ]);
    const cuda = await buildEngine({ definitions });
    expect(cuda).not.toBe(plain);
    const log = readFileSync(path.join(TOOLS, "log"), "utf8");
    expect(log).toMatch(/-DGGML_CUDA=ON -DCMAKE_CUDA_ARCHITECTURES=80;90/);
    expect(await locateEngine("cuda", cuda)).toMatchObject({ gpu: "cuda" });
    expect(await locateEngine(false, cuda)).toMatchObject({ gpu: false });
    await expect(locateEngine("cuda", plain)).rejects.toMatchObject({
      code: "ERR_ENGINE_MISMATCH",
      message: expect.stringMatching(/was built for the CPU\nTry: .*build-engine --cuda$/),
    });
  });

  test.each([
    ["git", ["git"], /^git was not found\nTry: install git$/],
    ["CMake", ["cmake"], /^CMake was not found\nTry: install cmake/],
    ["a compiler", ["c++", "g++"], /^A C\+\+ compiler was not found\nTry: /],
    ["nvcc", ["nvcc"], /^nvcc, .* was not found\nTry: install the toolkit/, "GGML_CUDA"],
    ["glslc", ["glslc"], /^glslc, .* was not found\nTry: apt install glslc/, "GGML_VULKAN"],
    ["make", ["make"], /^ninja or make was not found\nTry: /],
  ])("without %s says so before it starts", async (_, names, message, backend?: string) => {
    for (const name of names) rmSync(path.join(TOOLS, name));
    for (const variable of ["CUDACXX", "CUDA_PATH", "VULKAN_SDK"]) vi.stubEnv(variable, undefined);
    const definitions = new Map(backend === undefined ? [] : [[backend, "ON"]]);
    const refusal = buildEngine({ definitions });
    await expect(refusal).rejects.toMatchObject({ code: "ERR_TOOL_NOT_FOUND" });
    await expect(refusal).rejects.toThrow(message);
    expect(readdirSync(CACHE)).toEqual([]);
  });

  test("that fails leaves no engine, and goes on from there the next time", async () => {
    const complaint = "echo 'ggml.c:7: error: no such thing' >&2";
    install("cmake", `${STAND_INS.cmake}\n[ "$1" != --build ] || { ${complaint}; exit 3; }`);
    await expect(buildEngine()).rejects.toMatchObject({
      code: "ERR_BUILD_FAILED",
      message: expect.stringMatching(
        /ended with code \d+, after:\nggml\.c:7: error: no such thing\n(?:.*\n)*Try: read .*build\.log/,
      ),
    });
    const [left, ...rest] = readdirSync(path.join(CACHE, "llama-ets/engine"));
    expect(rest).toEqual([]);
    expect(left).toMatch(/\.partial$/);
    install("cmake", STAND_INS.cmake ?? "");
    expect(path.basename(await buildEngine())).toBe(left?.replace(".partial", ""));
    expect(done()).toEqual(["extracted", "configured", "built", "configured", "built"]);
  });

  test("that makes no llama-batched-bench leaves no engine", async () => {
    install("cmake", `[ "$1" != --build ] || { mkdir -p "$2/bin"; : > "$2/bin/libllama.so"; }`);
    await expect(buildEngine()).rejects.toThrow(/^The build made no file .*llama-batched-bench/);
    expect(readdirSync(path.join(CACHE, "llama-ets/engine"))).toEqual([
      expect.stringMatching(/\.partial$/),
    ]);
  });

  test("that is interrupted ends the compiler too, and leaves no engine", async () => {
    install(
      "cmake",
      `[ "$1" = --build ] || exit 0; sleep 60 & echo $! > '${TOOLS}/pid'; wait; exit 0`,
    );
    const interrupt = new AbortController();
    const reason = new Error("Interrupted");
    const building = buildEngine({ signal: interrupt.signal });
    building.catch(() => {});
    const compiler = path.join(TOOLS, "pid");
    const started = () => existsSync(compiler) && readFileSync(compiler, "utf8").endsWith("\n");
    await expect.poll(started, { timeout: 30_000 }).toBe(true);
    const pid = Number(readFileSync(compiler, "utf8"));
    interrupt.abort(reason);
    await expect(building).rejects.toBe(reason);
    await expect.poll(() => isRunning(pid), { timeout: 10_000 }).toBe(false);
    expect(readdirSync(path.join(CACHE, "llama-ets/engine"))).toEqual([
      expect.stringMatching(/\.partial$/),
    ]);
  });

  test("refuses a directory that holds something else", async () => {
    const directory = temporary("mine");
    mkdirSync(directory);
    const refusal = buildEngine({ directory });
    await expect(refusal).rejects.toMatchObject({ code: "ERR_INVALID_OPTION" });
    expect(existsSync(directory)).toBe(true);
  });

  test("refuses to build where another process builds", async () => {
    const directory = temporary("shared");
    mkdirSync(`${directory}.partial`);
    writeFileSync(`${directory}.partial/building.pid`, String(process.ppid));
    await expect(buildEngine({ directory })).rejects.toThrow(`Process ${process.ppid} is building`);
  });
});

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
