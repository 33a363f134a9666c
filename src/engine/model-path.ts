/** From what callers name a model by to a file on this machine. */
import { readdir, realpath, stat } from "node:fs/promises";
import path from "node:path";
import { homeDirectory } from "./cache-directory.js";
import { isLaterPart, PART } from "./download/address.js";
import { codeOf, LlamaEtsError, whyUnreadable } from "./errors.js";
import { otherThanGguf, readHead } from "./file-kind.js";
import type { LoadProgress } from "./load-progress.js";
import { unpackedPath } from "./package-files.js";

/**
 * A path as it is, with `~` for the home directory; of a directory, its one model; or a `hf:` URI
 * (`hf:user/repo:Q4_K_M`, `hf:user/repo/file.gguf`) or URL downloaded to `modelsDirectory`, where it
 * stays for the next time.
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

/** Throws `ERR_MODEL_NOT_FOUND` for a relative path where the working directory was removed. */
function absolutePath(source: string): string {
  // A shell leaves it where it isn't a word's beginning: --model=~/x.gguf.
  const expanded = source.replace(/^~(?=$|[/\\])/, homeDirectory);
  try {
    return path.resolve(expanded);
  } catch (error) {
    throw new LlamaEtsError(
      "ERR_MODEL_NOT_FOUND",
      `There is no file ${source}: the working directory was removed`,
      { fix: "an absolute path, or a directory that is there", cause: error },
    );
  }
}

/** Whether a source names a model on a hub, which is perhaps here from before. */
export function isRemote(source: string): boolean {
  return /^(hf|huggingface|https?):/.test(source);
}

/** The one model of a directory; any other path as it is. */
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

/** A link to the first part of a split model is followed: the others lie beside that. */
async function partOrFile(file: string): Promise<string> {
  if (PART.test(file)) return file;
  const real = await realpath(file).catch(() => file);
  return PART.test(real) ? real : file;
}

/** A repository of the hub is easily named without its `hf:`. */
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
