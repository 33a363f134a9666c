import { constants } from "node:fs";
import { access, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { codeOf, LlamaEtsError, messageOf } from "../engine/errors.js";

/**
 * Checks, before what takes long, that a file which an option named can be written where it is to be.
 * Throws `ERR_WRITE`.
 */
export async function checkOutput(what: string, file: string): Promise<void> {
  try {
    const isDirectory = await stat(file).then(
      (found) => found.isDirectory(),
      () => null,
    );
    if (isDirectory) throw new Error(`${file} is a directory`);
    await access(isDirectory === null ? path.dirname(file) : file, constants.W_OK);
  } catch (error) {
    throw unwritten(what, file, "can't be", error);
  }
}

/** Writes a file that an option named. Throws `ERR_WRITE`. */
export async function writeOutput(
  what: string,
  file: string,
  content: string | Uint8Array | Iterable<string>,
): Promise<void> {
  try {
    await writeFile(file, content);
  } catch (error) {
    throw unwritten(what, file, "was not", error);
  }
}

function unwritten(what: string, file: string, was: string, error: unknown): LlamaEtsError {
  const isMissing = codeOf(error) === "ENOENT";
  const why = isMissing ? `there is no directory ${path.dirname(file)}` : messageOf(error);
  return new LlamaEtsError("ERR_WRITE", `The ${what} ${was} written: ${why}`, {
    fix: "another file",
    cause: error,
  });
}
