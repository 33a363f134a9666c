/** From what callers name a model by to a file on this machine. */
import { open, stat } from "node:fs/promises";
import { availableParallelism } from "node:os";
import path from "node:path";
import { codeOf, LlamaEtsError, messageOf } from "./errors.js";

/** A phase of loading, with progress from 0 to 1. */
export interface LoadProgress {
  phase: "download" | "load";
  progress: number;
  /** Bytes, while downloading. */
  downloaded?: number;
  total?: number;
}

/**
 * A path as it is, or a `hf:` URI (`hf:user/repo:Q4_K_M`, `hf:user/repo/file.gguf`) downloaded to
 * node-llama-cpp's models directory, where it stays for the next time.
 */
export async function resolveModelPath(
  source: string,
  onProgress: (progress: LoadProgress) => void,
  signal: AbortSignal | undefined,
): Promise<string> {
  if (!/^(hf|huggingface|https?):/.test(source)) return checkFile(path.resolve(source));
  const { resolveModelFile } = await import("node-llama-cpp");
  try {
    return await resolveModelFile(source, {
      cli: false,
      parallel: Math.min(4, availableParallelism()),
      onProgress: ({ totalSize, downloadedSize }) =>
        onProgress({
          phase: "download",
          progress: totalSize > 0 ? downloadedSize / totalSize : 0,
          downloaded: downloadedSize,
          total: totalSize,
        }),
      ...(signal && { signal }),
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw new LlamaEtsError("ERR_DOWNLOAD", `Could not fetch ${source}: ${messageOf(error)}`, {
      fix: "check the name and the network, or download the file and give its path",
      cause: error,
    });
  }
}

/** What a file that should be GGUF is mistaken for most often. */
const IMPOSTORS: [RegExp, string, string][] = [
  [/^\s*<(!doctype|html|\?xml)/i, "a web page", "the file's raw download link"],
  [/^version https:\/\/git-lfs/, "a Git LFS pointer", "git lfs pull"],
  [/^\{/, "JSON (a safetensors file or index?)", "a GGUF conversion of the model"],
  [/^PK/, "a ZIP archive (a PyTorch checkpoint?)", "a GGUF conversion of the model"],
];

async function checkFile(file: string): Promise<string> {
  const stats = await stat(file).catch((error: unknown) => {
    const missing = codeOf(error) === "ENOENT";
    throw new LlamaEtsError(
      "ERR_MODEL_NOT_FOUND",
      missing ? `There is no file ${file}` : `${file} could not be read: ${messageOf(error)}`,
      { fix: "`npx llama-ets models` lists the bundled models", cause: error },
    );
  });
  if (!stats.isFile()) {
    throw new LlamaEtsError(
      "ERR_MODEL_NOT_FOUND",
      `Expected a GGUF file, ${file} is ${stats.isDirectory() ? "a directory" : "not a file"}`,
      { fix: "the path of a .gguf file" },
    );
  }
  const head = await readHead(file);
  if (head.startsWith("GGUF")) return file;
  const impostor = IMPOSTORS.find(([pattern]) => pattern.test(head));
  throw new LlamaEtsError(
    "ERR_NOT_GGUF",
    `Expected a GGUF file, ${file} is ${impostor?.[1] ?? (head === "" ? "empty" : "something else")}`,
    impostor ? { fix: impostor[2] } : {},
  );
}

async function readHead(file: string): Promise<string> {
  try {
    const handle = await open(file, "r");
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(64), 0, 64, 0);
      return buffer.toString("latin1", 0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw new LlamaEtsError(
      "ERR_MODEL_NOT_FOUND",
      `${file} could not be read: ${messageOf(error)}`,
      {
        cause: error,
      },
    );
  }
}
