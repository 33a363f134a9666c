/** Rows of data files: `.jsonl`, `.jsonl.gz` and `.csv`, read one at a time. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { LlamaEtsError, messageOf } from "../engine/errors.js";

/** One row, which names itself in every complaint about its fields. */
export class Row {
  readonly file: string;
  /** The line where it starts, counted from 1. */
  readonly line: number;
  readonly #fields: Record<string, unknown>;

  constructor(file: string, line: number, fields: Record<string, unknown>) {
    this.file = file;
    this.line = line;
    this.#fields = fields;
  }

  has(field: string): boolean {
    return this.#fields[field] !== undefined && this.#fields[field] !== null;
  }

  /** A name that is written as a string or a number, as it is. */
  name(field: string): string | number {
    const value = this.#fields[field];
    return typeof value === "number" ? value : this.string(field);
  }

  string(field: string): string {
    const value = this.#fields[field];
    return typeof value === "string" ? value : this.refuse(field, "be a string");
  }

  /** A string that says something. */
  text(field: string): string {
    const value = this.string(field);
    return value.trim() === "" ? this.refuse(field, "hold text") : value;
  }

  /** A string, or a number as written. */
  scalar(field: string): string {
    return String(this.name(field));
  }

  strings(field: string): string[] {
    const value = this.#fields[field];
    const isList = Array.isArray(value) && value.every((entry) => typeof entry === "string");
    return isList ? value : this.refuse(field, "be an array of strings");
  }

  /** Throws `ERR_INVALID_DATA`: "Expected `field` to …". */
  refuse(field: string, expected: string): never {
    throw invalidRow(this.file, this.line, `expected \`${field}\` to ${expected}`);
  }
}

function invalidRow(file: string, line: number, what: string): LlamaEtsError {
  return new LlamaEtsError("ERR_INVALID_DATA", `${file}, line ${line}: ${what}`);
}

/** The rows of a file, `-` being standard input (JSON lines). Throws `ERR_INVALID_DATA`. */
export async function* readRows(file: string): AsyncGenerator<Row> {
  const name = file === "-" ? "standard input" : file;
  try {
    yield* file.endsWith(".csv") ? readCsv(file) : readJsonLines(name, openLines(file));
  } catch (error) {
    if (error instanceof LlamaEtsError) throw error;
    throw new LlamaEtsError("ERR_INVALID_DATA", `${name} could not be read: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function openLines(file: string): Readable {
  if (file === "-") return process.stdin;
  const content = createReadStream(file);
  if (!file.endsWith(".gz")) return content;
  const unpacked = createGunzip();
  content.on("error", (error) => unpacked.destroy(error));
  return content.pipe(unpacked);
}

async function* readJsonLines(file: string, content: Readable): AsyncGenerator<Row> {
  // readline swallows the stream's errors.
  let failure: Error | undefined;
  content.on("error", (error) => {
    failure = error;
    lines.close();
  });
  const lines = createInterface({ input: content, crlfDelay: Number.POSITIVE_INFINITY });
  let number = 0;
  for await (const line of lines) {
    number++;
    if (line.trim() !== "") yield parseJsonRow(file, number, line);
  }
  if (failure !== undefined) throw failure;
}

function parseJsonRow(file: string, number: number, line: string): Row {
  let fields: unknown;
  try {
    fields = JSON.parse(number === 1 ? line.replace(/^\uFEFF/, "") : line);
  } catch (error) {
    throw invalidRow(file, number, `expected JSON: ${messageOf(error)}`);
  }
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) {
    throw invalidRow(file, number, "expected a JSON object");
  }
  return new Row(file, number, fields as Record<string, unknown>);
}

async function* readCsv(file: string): AsyncGenerator<Row> {
  const { parse } = await import("csv-parse");
  const content = createReadStream(file);
  const parser = parse({ columns: true, bom: true, info: true });
  content.on("error", (error) => parser.destroy(error));
  content.pipe(parser);
  let line = 0;
  try {
    // `lines` counts those of the file up to the record's end: fields may hold line breaks.
    for await (const { record, info } of parser) {
      line = info.lines - lineBreaksIn(record);
      yield new Row(file, line, record);
    }
  } finally {
    content.destroy();
  }
}

function lineBreaksIn(record: Record<string, string>): number {
  return Object.values(record).reduce((sum, text) => sum + text.split("\n").length - 1, 0);
}
