/** Reads the lines of a data file and checks that they are UTF-8. */
import { fstatSync } from "node:fs";
import { pipeline, type Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { codeOf, LlamaEtsError, messageOf, whyUnreadable } from "../engine/errors.js";
import { openFile } from "../engine/read-file.js";

/** The maximum length of a line, so that a file without line ends can't fill the memory. */
const MAX_LINE_BYTES = 2 ** 26;
const LF = 0x0a;

/**
 * Returns an `ERR_INVALID_DATA` that names file and line.
 *
 * @param unit what `line` counts: a file that is read as a whole is counted in rows
 */
export function invalidLine(
  file: string,
  line: number,
  what: string,
  fix?: string,
  unit: "line" | "row" = "line",
): LlamaEtsError {
  const options = fix === undefined ? {} : { fix };
  return new LlamaEtsError("ERR_INVALID_DATA", `${file}, ${unit} ${line}: ${what}`, options);
}

/**
 * Opens the bytes of a file, or of standard input for `-`. A file whose name ends in `.gz` is decompressed.
 */
export function openData(file: string): Readable {
  if (file === "-") return standardInput();
  const content = openFile(file);
  // A later reader gets the error. Without a listener, an earlier error would end the process.
  content.on("error", () => {});
  if (!/\.gz$/i.test(file)) return content;
  // The returned stream reports the failures of both streams.
  return pipeline(content, createGunzip(), () => {});
}

/** Returns standard input. It checks for a directory, for which Node would give an empty stream. */
function standardInput(): Readable {
  if (fstatSync(0).isDirectory()) throw new Error("it is a directory");
  return process.stdin;
}

/**
 * Yields decoded lines without their LF. Only LF ends a line. (On some releases of Node readline also splits
 * at U+2028 and U+2029, which JSON may contain.) A carriage return before the LF is kept. Throws
 * `ERR_INVALID_DATA` for bytes that aren't UTF-8.
 */
export async function* readLines(name: string, content: Readable): AsyncGenerator<string> {
  let number = 0;
  const decode = (bytes: Uint8Array) => decodeLine(name, ++number, bytes);
  let pieces: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of content as AsyncIterable<Buffer>) {
    let start = 0;
    for (let end = chunk.indexOf(LF); end >= 0; end = chunk.indexOf(LF, start)) {
      yield decode(Buffer.concat([...pieces, chunk.subarray(start, end)]));
      pieces = [];
      size = 0;
      start = end + 1;
    }
    pieces.push(chunk.subarray(start));
    size += chunk.length - start;
    if (size > MAX_LINE_BYTES) {
      throw invalidLine(name, number + 1, `expected lines of at most ${MAX_LINE_BYTES} bytes`);
    }
  }
  if (size > 0) yield decode(Buffer.concat(pieces));
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function decodeLine(name: string, number: number, bytes: Uint8Array): string {
  try {
    const text = decoder.decode(bytes);
    return number === 1 ? text.replace(/^\uFEFF/, "") : text;
  } catch {
    const isPacked = number === 1 && bytes[0] === 0x1f && bytes[1] === 0x8b;
    throw isPacked
      ? invalidLine(name, 1, "expected text, got gzip", "a name that ends in .gz")
      : invalidLine(name, number, "expected UTF-8", "the file saved as UTF-8");
  }
}

/** Converts an error of reading a file to `ERR_INVALID_DATA` with the file's name. */
export function unreadable(name: string, error: unknown): LlamaEtsError {
  if (error instanceof LlamaEtsError) return error;
  return new LlamaEtsError("ERR_INVALID_DATA", `${name} could not be read: ${reasonOf(error)}`, {
    ...(codeOf(error) !== undefined && {
      fix: "the path of a .jsonl, .json, .csv, .tsv or .parquet file",
    }),
    cause: error,
  });
}

/** Rephrases messages of zlib for users. */
function reasonOf(error: unknown): string {
  const message = messageOf(error);
  if (message === "unexpected end of file") return "its gzip data is cut off";
  if (message === "incorrect header check") return "it is not gzip";
  return whyUnreadable(error);
}
