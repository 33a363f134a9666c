/**
 * llama.cpp's source, as node-llama-cpp ships it: a git bundle of the prebuilt engines' release.
 */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rename, rm, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { codeOf, LlamaEtsError, messageOf } from "../engine/errors.js";

const run = promisify(execFile);

function shipped(name: string): string {
  // The package exports only its entry point, dist/index.js.
  const entry = createRequire(import.meta.url).resolve("node-llama-cpp");
  return path.resolve(path.dirname(entry), "..", "llama", name);
}

/** llama.cpp's release, e.g. "v0.5.0". */
export function sourceRelease(): string {
  return JSON.parse(readFileSync(shipped("binariesGithubRelease.json"), "utf8")).release;
}

/**
 * Checks the source tree out into `directory` unless it is there; it appears whole or not at all.
 */
export async function extractSource(directory: string, signal?: AbortSignal): Promise<void> {
  const isThere = await stat(directory).then(
    () => true,
    () => false,
  );
  if (isThere) return;
  const partial = `${directory}.partial`;
  await rm(partial, { recursive: true, force: true });
  try {
    await run("git", ["clone", "--quiet", shipped("gitRelease.bundle"), partial], {
      ...(signal && { signal }),
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw codeOf(error) === "ENOENT"
      ? new LlamaEtsError("ERR_TOOL_NOT_FOUND", "git was not found", {
          fix: "install git; llama.cpp's source comes as a git bundle",
          cause: error,
        })
      : new LlamaEtsError(
          "ERR_BUILD_FAILED",
          `llama.cpp's source could not be extracted: ${messageOf(error).trim()}`,
          { fix: "npm ci, or more space on the disk", cause: error },
        );
  }
  await rename(partial, directory);
}

/** One file of the source, e.g. "models/ggml-vocab-qwen2.gguf". */
export async function readSourceFile(name: string): Promise<Buffer> {
  const scratch = await mkdtemp(path.join(tmpdir(), "llama-ets-source-"));
  try {
    const repository = path.join(scratch, "llama.git");
    await run("git", ["clone", "--quiet", "--bare", shipped("gitRelease.bundle"), repository]);
    const show = ["-C", repository, "show", `HEAD:${name}`];
    const { stdout } = await run("git", show, { encoding: "buffer", maxBuffer: 1 << 30 });
    return stdout;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
