/** From what callers name a model by to a file on this machine. */
import { stat } from "node:fs/promises";
import path from "node:path";
import { downloadModel } from "./download/download-model.js";
import { codeOf, LlamaEtsError, messageOf } from "./errors.js";
import { otherThanGguf, readHead } from "./file-kind.js";
import type { LoadProgress } from "./load-progress.js";

/**
 * A path as it is, or a `hf:` URI (`hf:user/repo:Q4_K_M`, `hf:user/repo/file.gguf`) or URL downloaded
 * to `modelsDirectory`, where it stays for the next time.
 */
export async function resolveModelPath(
  source: string,
  onProgress: (progress: LoadProgress) => void,
  signal: AbortSignal | undefined,
): Promise<string> {
  return isRemote(source)
    ? downloadModel(source, onProgress, signal)
    : checkFile(path.resolve(source));
}

/** Whether a source names a model on a hub, which is perhaps here from before. */
export function isRemote(source: string): boolean {
  return /^(hf|huggingface|https?):/.test(source);
}

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
  const head = await readHead(file).catch((error: unknown) => {
    const message = `${file} could not be read: ${messageOf(error)}`;
    throw new LlamaEtsError("ERR_MODEL_NOT_FOUND", message, { cause: error });
  });
  const impostor = otherThanGguf(head);
  if (impostor === undefined) return file;
  const { what, fix } = impostor;
  throw new LlamaEtsError(
    "ERR_NOT_GGUF",
    `Expected a GGUF file, ${file} is ${what}`,
    fix === undefined ? {} : { fix },
  );
}
