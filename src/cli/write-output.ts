import { writeFile } from "node:fs/promises";
import { LlamaEtsError, messageOf } from "../engine/errors.js";

/** Writes a file that an option named. Throws `ERR_WRITE`. */
export async function writeOutput(what: string, file: string, content: string): Promise<void> {
  try {
    await writeFile(file, content);
  } catch (error) {
    throw new LlamaEtsError("ERR_WRITE", `The ${what} was not written: ${messageOf(error)}`, {
      fix: "another file",
      cause: error,
    });
  }
}
