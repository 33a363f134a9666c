/** Where the engine comes from: each way it can be missing or wrong has a code and a fix. */
import { cpSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { LoadProgress } from "../../src/engine/load-progress.js";
import { loadModel } from "../../src/engine/local/load-model.js";
import { locateEngine } from "../../src/engine/local/locate-engine.js";
import { addon } from "../../src/engine/local/native.js";
import { childPackage, type Outcome, outcomesOf } from "../fixtures/load-in-child.js";
import { copyPackage, runChild } from "../fixtures/package-copy.js";
import { temporary } from "../fixtures/temporary-directory.js";

const BUNDLED = fileURLToPath(new URL("../../models/mini-gsm-ref.gguf", import.meta.url));
const METADATA = "_nlcBuildMetadata.json";

/** How loading the bundled model ends, in a process of its own: engines are opened once each. */
async function loading(directory: string, engine?: string): Promise<Outcome> {
  const env = engine === undefined ? {} : { LLAMA_ETS_ENGINE: engine };
  const finished = await runChild("load-models.mjs", directory, [BUNDLED], env);
  const [outcome] = outcomesOf(finished);
  expect(finished, finished.stderr).toMatchObject({ code: 0, signal: null });
  return outcome as Outcome;
}

/** An engine directory with this metadata, and nothing else. */
function engineDirectory(name: string, metadata: string): string {
  const directory = temporary(name);
  mkdirSync(directory);
  writeFileSync(path.join(directory, METADATA), metadata);
  return directory;
}

const metadataOf = (release: string) =>
  JSON.stringify({ buildOptions: { llamaCpp: { repo: "ggml-org/llama.cpp", release } } });

describe("LLAMA_ETS_ENGINE chooses the engine's directory:", () => {
  let prebuilt = "";
  let release = "";
  beforeAll(async () => {
    prebuilt = (await locateEngine(false, "")).directory;
    release = addon().engineRelease;
  });
  afterEach(() => vi.unstubAllEnvs());

  test("one with the engine is used", async () => {
    vi.stubEnv("LLAMA_ETS_ENGINE", prebuilt);
    expect(await locateEngine("auto")).toEqual({ directory: prebuilt, gpu: false, release });
  });

  test("an empty value chooses nothing", async () => {
    vi.stubEnv("LLAMA_ETS_ENGINE", "");
    expect((await locateEngine(false)).directory).toBe(prebuilt);
  });

  test.each([
    ["that is missing", () => temporary("no-engine")],
    ["without build metadata", () => temporary("")],
    ["whose metadata is torn", () => engineDirectory("torn", '{"buildOptions": {')],
  ])("one %s is ERR_ENGINE_NOT_FOUND, with a fix", async (_, directory) => {
    const chosen = directory();
    vi.stubEnv("LLAMA_ETS_ENGINE", chosen);
    const refusal = locateEngine(false);
    await expect(refusal).rejects.toMatchObject({ code: "ERR_ENGINE_NOT_FOUND" });
    await expect(refusal).rejects.toThrow(path.resolve(chosen));
    await expect(refusal).rejects.toThrow(/\nTry: .*build-engine.*, and unset LLAMA_ETS_ENGINE$/);
  });

  test.each([
    ["of another release", metadataOf("v0.4.9"), "v0.4.9"],
    ["that names no release", "{}", "undefined"],
    ["whose metadata is null", "null", "undefined"],
  ])("one %s is ERR_ENGINE_MISMATCH, with both releases", async (name, metadata, found) => {
    const directory = engineDirectory(name, metadata);
    vi.stubEnv("LLAMA_ETS_ENGINE", directory);
    const refusal = locateEngine(false);
    await expect(refusal).rejects.toMatchObject({ code: "ERR_ENGINE_MISMATCH" });
    await expect(refusal).rejects.toThrow(`built for llama.cpp ${release}, the engine in`);
    await expect(refusal).rejects.toThrow(`${directory} is ${found}\nTry: npm ci`);
  });

  test("a mismatch stops loadModel before any library is opened", async () => {
    const directory = engineDirectory("older", metadataOf("v0.0.1"));
    const outcome = await loading(childPackage(), directory);
    expect(outcome).toMatchObject({ error: "LlamaEtsError", code: "ERR_ENGINE_MISMATCH" });
  });

  const library = (stem: string) => {
    const pattern = new RegExp(`^(lib)?${stem}\\.(.*\\.)?(so|dylib|dll)$`);
    const name = readdirSync(prebuilt).find((file) => pattern.test(file));
    return { name: name as string, file: path.join(prebuilt, name as string) };
  };

  test.each<[string, (directory: string) => void, RegExp]>([
    ["metadata but no libraries", () => {}, /the engine library `ggml-base` in .*, found none/],
    [
      "a library that is not one",
      (directory) => writeFileSync(path.join(directory, library("ggml-base").name), "not ELF"),
      /Could not open the engine library .*ggml-base/,
    ],
    [
      "libraries that lack functions",
      (directory) => {
        const [base, ggml, llama] = ["ggml-base", "ggml", "llama"].map(library);
        symlinkSync(base?.file ?? "", path.join(directory, base?.name ?? ""));
        symlinkSync(ggml?.file ?? "", path.join(directory, ggml?.name ?? ""));
        symlinkSync(base?.file ?? "", path.join(directory, llama?.name ?? ""));
      },
      /lacks the functions: llama_backend_init, /,
    ],
    [
      "no backend, not even for the CPU",
      (directory) => {
        for (const stem of ["ggml-base", "ggml", "llama"]) {
          symlinkSync(library(stem).file, path.join(directory, library(stem).name));
        }
      },
      /offers no device, not even a CPU/,
    ],
  ])("one with %s is ERR_ENGINE_NOT_FOUND, with a fix", async (name, fill, reason) => {
    const directory = engineDirectory(name, metadataOf(release));
    fill(directory);
    const outcome = await loading(childPackage(), directory);
    expect(outcome).toMatchObject({ error: "LlamaEtsError", code: "ERR_ENGINE_NOT_FOUND" });
    expect(outcome.message).toMatch(reason);
    expect(outcome.message).toMatch(/\nTry: npm ci, then `npx llama-ets doctor`$/);
  });
});

describe("a GPU that isn't there is refused, with what is missing:", () => {
  test.skipIf(process.platform === "darwin")("Metal elsewhere than on macOS", async () => {
    const refusal = locateEngine("metal", "");
    await expect(refusal).rejects.toMatchObject({ code: "ERR_ENGINE_NOT_FOUND" });
    await expect(refusal).rejects.toThrow(
      /^No metal engine .*: Metal is macOS's.*\nTry: gpu: false/,
    );
  });

  const withoutDriver = process.platform === "linux" && !existsSync("/dev/nvidiactl");
  test.runIf(withoutDriver)("CUDA without a driver", async () => {
    const refusal = locateEngine("cuda", "");
    await expect(refusal).rejects.toMatchObject({ code: "ERR_ENGINE_NOT_FOUND" });
    await expect(refusal).rejects.toThrow(/No cuda engine .*: (`libcuda\.so\.1`.*NVIDIA|none of)/);
  });

  test("a kind that the engine which is open doesn't have", async () => {
    const model = await loadModel(BUNDLED, { gpu: false });
    await model.dispose();
    const refusal = loadModel(BUNDLED, { gpu: "vulkan" });
    await expect(refusal).rejects.toMatchObject({ code: "ERR_ENGINE_MISMATCH" });
    await expect(refusal).rejects.toThrow(
      /runs on the CPU; one process can't also use vulkan\nTry: /,
    );
  });
});

describe("an installation without", () => {
  const installed = (name: string, linked: string[]) => {
    const directory = temporary(name);
    copyPackage(directory, linked);
    return directory;
  };

  test("node-llama-cpp is ERR_ENGINE_NOT_FOUND, with a fix", async () => {
    const outcome = await loading(installed("bare", ["build", "models"]));
    expect(outcome).toMatchObject({ error: "LlamaEtsError", code: "ERR_ENGINE_NOT_FOUND" });
    expect(outcome.message).toMatch(/^The package node-llama-cpp is not installed\nTry: npm ci /);
  });

  test("node-llama-cpp's engine for this platform is ERR_ENGINE_NOT_FOUND, with a fix", async () => {
    const directory = installed("no-optional", ["build", "models"]);
    const main = createRequire(import.meta.url).resolve("node-llama-cpp");
    const source = path.dirname(path.dirname(main));
    const target = path.join(directory, "node_modules/node-llama-cpp");
    for (const file of ["package.json", path.relative(source, main)]) {
      cpSync(path.join(source, file), path.join(target, file));
    }
    const outcome = await loading(directory);
    expect(outcome).toMatchObject({ error: "LlamaEtsError", code: "ERR_ENGINE_NOT_FOUND" });
    expect(outcome.message).toMatch(/^The package @node-llama-cpp\/\S+, .* is not installed\n/);
    expect(outcome.message).toMatch(/\nTry: npm ci \(with optional dependencies/);
  });

  test("the compiled addon is ERR_ENGINE_NOT_FOUND, with a fix", async () => {
    const outcome = await loading(installed("unbuilt", ["models", "node_modules"]));
    expect(outcome).toMatchObject({ error: "LlamaEtsError", code: "ERR_ENGINE_NOT_FOUND" });
    expect(outcome.message).toContain(
      `Expected a native addon for ${process.platform}-${process.arch}; none was built`,
    );
    expect(outcome.message).toMatch(/\nTry: npx llama-ets build-addon/);
  });
});

describe("loading", () => {
  test("reports progress that grows from 0 to 1", async () => {
    const reports: LoadProgress[] = [];
    const model = await loadModel(BUNDLED, {
      gpu: false,
      onProgress: (report) => reports.push(report),
    });
    // The last ones may still be on their way when the model is there.
    await expect.poll(() => reports.at(-1)?.progress).toBe(1);
    const progress = reports.map((report) => report.progress);
    expect(progress[0]).toBe(0);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(new Set(reports.map((report) => report.phase))).toEqual(new Set(["load"]));
    await model.dispose();
  });

  test("says that layers stay off a GPU that isn't used", async () => {
    const warnings: string[] = [];
    const onWarning = (text: string) => warnings.push(text);
    for (const gpuLayers of [0, 4]) {
      await (await loadModel(BUNDLED, { gpu: false, gpuLayers, onWarning })).dispose();
    }
    expect(warnings).toEqual(["`gpuLayers` keeps no layers on a GPU: none was asked for"]);
  });

  test("that was cancelled before it began rejects with the signal's reason", async () => {
    const reason = new Error("The window was closed");
    const signal = AbortSignal.abort(reason);
    await expect(loadModel(BUNDLED, { gpu: false, signal })).rejects.toBe(reason);
    await expect(
      loadModel(BUNDLED, { gpu: false, signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ name: "AbortError" });
  });

  test("on another engine than the one that is open is ERR_ENGINE_MISMATCH, with a fix", async () => {
    const { directory } = await locateEngine(false);
    const model = await loadModel(BUNDLED, { gpu: false, engine: directory });
    await model.dispose();
    const refusal = loadModel(BUNDLED, { gpu: false, engine: temporary("") });
    await expect(refusal).rejects.toMatchObject({ code: "ERR_ENGINE_MISMATCH" });
    await expect(refusal).rejects.toThrow(/ is open; .*\nTry: the same `engine` for all models/);
  });

  test("that is cancelled in between rejects with the signal's reason", async () => {
    const reason = { why: "any value can be a reason" };
    const controller = new AbortController();
    const loading = loadModel(BUNDLED, {
      gpu: false,
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    });
    await expect(loading).rejects.toBe(reason);
  });

  test("that was cancelled leaves the engine in order; a signal is deaf once it is done", async () => {
    const controller = new AbortController();
    const model = await loadModel(BUNDLED, { gpu: false, signal: controller.signal });
    controller.abort();
    expect(model.tokenize("1 + 1").length).toBeGreaterThan(0);
    await model.dispose();
  });
});
