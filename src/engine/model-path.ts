/** Finds the file on this machine for a model's source: a path, a directory, a `hf:` URI or a URL. */
import { readdir, realpath, stat } from "node:fs/promises";
import path from "node:path";
import { homeDirectory } from "./cache-directory.js";
import { isLaterPart, PART } from "./download/address.js";
import { codeOf, LlamaEtsError, whyUnreadable } from "./errors.js";
import { otherThanGguf, readHead } from "./file-kind.js";
import type { LoadProgress } from "./load-progress.js";
import { unpackedPath } from "./package-files.js";

/**
 * Returns the path of the model's file. A `~` at the beginning of a path is the home directory, and the
 * path of a directory stands for the one model in it. A `hf:` URI (`hf:user/repo:Q4_K_M`,
 * `hf:user/repo/file.gguf`) or a URL is downloaded to `modelsDirectory`, unless it is there already.
 */
export async function resolveModelPath(
  source: string,
  onProgress: (progress: LoadProgress) => void,
  signal: AbortSignal | undefined,
): Promise<string> {
  if (isRemote(source)) {
    const { downloadModel } = await import("./download/download-model.js");
    return downloadModel(source, onProgress, signal);
  }
  const file = await partOrFile(await modelIn(unpackedPath(absolutePath(source))));
  return checkFile(file, source);
}

/** Throws `ERR_MODEL_NOT_FOUND` for a relative path if the working directory was removed. */
function absolutePath(source: string): string {
  // A shell doesn't expand `~` inside a word, as in --model=~/x.gguf.
  const expanded = source.replace(/^~(?=$|[/\\])/, homeDirectory);
  try {
    return path.resolve(expanded);
  } catch (error) {
    throw new LlamaEtsError(
      "ERR_MODEL_NOT_FOUND",
      `There is no file ${source}: the working directory was removed`,
      { fix: "an absolute path, or a working directory that exists", cause: error },
    );
  }
}

/** Whether a source is a URI or a URL. Its file may have been downloaded before. */
export function isRemote(source: string): boolean {
  return /^(hf|huggingface|https?):/.test(source);
}

/** The one model in a directory. Any other path is returned unchanged. */
async function modelIn(file: string): Promise<string> {
  const stats = await stat(file).catch(() => undefined);
  if (!stats?.isDirectory()) return file;
  const names = await readdir(file).catch(() => []);
  const models = names
    .filter((name) => /\.gguf$/i.test(name) && !isLaterPart(name) && !/^mmproj/i.test(name))
    .sort();
  const [only] = models;
  if (only !== undefined && models.length === 1) return path.join(file, only);
  throw new LlamaEtsError("ERR_MODEL_NOT_FOUND", `Expected a GGUF file, ${file} is a directory`, {
    fix:
      models.length === 0
        ? "the path of a .gguf file: there is none in it"
        : `the path of a .gguf file in it: ${listed(models)}`,
  });
}

const MOST_LISTED = 10;

function listed(names: readonly string[]): string {
  const more = names.length - MOST_LISTED;
  return `${names.slice(0, MOST_LISTED).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** Resolves a link to the first part of a split model: the other parts lie beside the link's target. */
async function partOrFile(file: string): Promise<string> {
  if (PART.test(file)) return file;
  const real = await realpath(file).catch(() => file);
  return PART.test(real) ? real : file;
}

/** The fix for a missing file. People often forget the `hf:` before the name of a repository. */
function fixForMissing(source: string): string {
  const isRepository =
    /^[\w-][\w.-]*\/[\w-][\w.-]*(:[\w.-]+)?$/.test(source) && !/\.gguf$/i.test(source);
  const models = "`npx llama-ets models` lists the bundled and the downloaded models";
  return isRepository ? `hf:${source}, if it is a repository of Hugging Face; ${models}` : models;
}

async function checkFile(file: string, source: string): Promise<string> {
  const stats = await stat(file).catch((error: unknown) => {
    const missing = codeOf(error) === "ENOENT";
    throw new LlamaEtsError(
      "ERR_MODEL_NOT_FOUND",
      missing ? `There is no file ${file}` : `${file} could not be read: ${whyUnreadable(error)}`,
      { fix: missing ? fixForMissing(source) : "a file that you may read", cause: error },
    );
  });
  if (!stats.isFile()) {
    throw new LlamaEtsError("ERR_MODEL_NOT_FOUND", `Expected a GGUF file, ${file} is not a file`, {
      fix: "the path of a .gguf file",
    });
  }
  const head = await readHead(file).catch((error: unknown) => {
    const message = `${file} could not be read: ${whyUnreadable(error)}`;
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
