/**
 * Reads the rows of data files: `.jsonl` and `.csv` row by row, `.json` and `.parquet` as a whole. Files may
 * be compressed (`.gz`).
 */
import path from "node:path";
import { addAbortSignal } from "node:stream";
import { LlamaEtsError, messageOf } from "../engine/errors.js";
import { readCsv } from "./csv.js";
import { invalidLine, openData, readLines, unreadable } from "./data-lines.js";
import { parseJson, rowsOfJson } from "./json-file.js";
import { readParquet } from "./parquet-file.js";

/** One row. Its errors name the file and the row. */
export class Row {
  readonly file: string;
  /** The row's first line, or its number among the rows if `unit` is "row". Counted from 1. */
  readonly line: number;
  /** What `line` counts. In files that are read as a whole it counts rows. */
  readonly unit: "line" | "row";
  /** All fields as in the file. The fields of a CSV are strings. */
  readonly fields: Readonly<Record<string, unknown>>;

  /** The row's original JSON; empty for a CSV. */
  readonly source: string;

  constructor(
    file: string,
    line: number,
    fields: Record<string, unknown>,
    { source = "", unit = "line" }: { source?: string; unit?: "line" | "row" } = {},
  ) {
    this.file = file;
    this.line = line;
    this.fields = fields;
    this.source = source;
    this.unit = unit;
  }

  has(field: string): boolean {
    return this.fields[field] !== undefined && this.fields[field] !== null;
  }

  /** Returns a name, which may be a string or a number. */
  name(field: string): string | number {
    const value = this.fields[field];
    return typeof value === "number" ? value : this.string(field);
  }

  string(field: string): string {
    const value = this.fields[field];
    return typeof value === "string" ? value : this.refuse(field, "be a string");
  }

  /** Returns a string that isn't blank. */
  text(field: string): string {
    const value = this.string(field);
    return value.trim() === "" ? this.refuse(field, "hold text") : value;
  }

  /** Returns a string, or a number as a string. A number that has lost digits is refused. */
  scalar(field: string): string {
    const value = this.name(field);
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
      this.refuse(field, "be a string where a number has more than 15 digits");
    }
    return String(value);
  }

  strings(field: string): string[] {
    const value = this.fields[field];
    const isList = Array.isArray(value) && value.every((entry) => typeof entry === "string");
    return isList ? value : this.refuse(field, "be an array of strings");
  }

  /** Throws `ERR_INVALID_DATA`: "Expected `field` to …". */
  refuse(field: string, expected: string, fix?: string): never {
    throw this.invalid(`expected \`${field}\` to ${expected}`, fix);
  }

  /** Returns an `ERR_INVALID_DATA` that names file and row. */
  invalid(what: string, fix?: string): LlamaEtsError {
    return invalidLine(this.file, this.line, what, fix, this.unit);
  }
}

/**
 * Yields the rows of a file, or of standard input for `-` (JSON lines). Throws `ERR_INVALID_DATA`, and the
 * signal's reason, even while it waits for input.
 */
export async function* readRows(file: string, signal?: AbortSignal): AsyncGenerator<Row> {
  const name = file === "-" ? "standard input" : file;
  try {
    const kind = kindOf(file);
    const content = openData(file);
    if (signal !== undefined) addAbortSignal(signal, content);
    if (kind === "parquet") {
      for (const [i, fields] of (await readParquet(name, content, signal)).entries()) {
        yield new Row(name, i + 1, fields, { unit: "row" });
      }
      return;
    }
    const lines = readLines(name, content);
    if (kind === "json") yield* readJson(name, lines);
    if (kind === "lines") yield* readJsonLines(name, lines);
    if (kind === "csv" || kind === "tsv") {
      for await (const { fields, line } of readCsv(name, lines, kind)) {
        yield new Row(name, line, fields);
      }
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw unreadable(name, error);
  }
}

const KINDS = {
  "": "lines",
  ".jsonl": "lines",
  ".ndjson": "lines",
  ".json": "json",
  ".csv": "csv",
  ".tsv": "tsv",
  ".parquet": "parquet",
} as const;

/** Returns the kind of a file by its extension. Without one (`-`, `/dev/fd/63`) the rows are JSON lines. */
function kindOf(file: string): (typeof KINDS)[keyof typeof KINDS] {
  const extension = path.extname(file.replace(/\.gz$/i, "")).toLowerCase();
  if (Object.hasOwn(KINDS, extension)) return KINDS[extension as keyof typeof KINDS];
  throw new LlamaEtsError(
    "ERR_INVALID_DATA",
    `${file}: expected a .jsonl, .json, .csv, .tsv or .parquet file, perhaps with .gz, got \`${extension}\``,
    { fix: "a name that says what the file holds: .jsonl for one JSON object a line" },
  );
}

/** The maximum length of a JSON text, which is held in memory several times. */
const MAX_JSON = 2 ** 28;

/** Yields the rows of one JSON text, or of the lines if a `.json` file contains JSON lines. */
async function* readJson(file: string, lines: AsyncIterable<string>): AsyncGenerator<Row> {
  const all: string[] = [];
  let size = 0;
  for await (const line of lines) {
    all.push(line);
    size += line.length + 1;
    if (size > MAX_JSON) {
      throw new LlamaEtsError(
        "ERR_INVALID_DATA",
        `${file}: it has more than ${MAX_JSON} characters`,
        {
          fix: "a .jsonl file, which is read a line at a time",
        },
      );
    }
  }
  const sources = rowsOfJson(file, all);
  for (const [i, source] of (sources ?? all).entries()) {
    if (sources !== null) yield parseJsonRow(file, i + 1, source, "row");
    else if (source.trim() !== "") yield parseJsonRow(file, i + 1, source);
  }
}

async function* readJsonLines(file: string, lines: AsyncIterable<string>): AsyncGenerator<Row> {
  let number = 0;
  for await (const line of lines) {
    number++;
    if (line.trim() !== "") yield parseJsonRow(file, number, line);
  }
}

function parseJsonRow(
  file: string,
  number: number,
  source: string,
  unit: "line" | "row" = "line",
): Row {
  const place = new Row(file, number, {}, { unit });
  let fields: unknown;
  try {
    fields = parseJson(source);
  } catch (error) {
    throw place.invalid(
      `expected JSON: ${messageOf(error)}`,
      number === 1 && /^\s*[[{]\s*$/.test(source) ? IS_WHOLE : undefined,
    );
  }
  if (Array.isArray(fields) && number === 1 && unit === "line") {
    throw place.invalid("expected a JSON object, got an array", IS_WHOLE);
  }
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) {
    throw place.invalid("expected a JSON object");
  }
  if (isDeeper(fields, MAX_DEPTH)) {
    throw place.invalid(`expected values nested at most ${MAX_DEPTH} deep`);
  }
  const twice = repeatedKey(source);
  if (twice !== null) {
    throw place.invalid(`expected every key once, \`${twice}\` is there again`);
  }
  return new Row(file, number, fields as Record<string, unknown>, { source, unit });
}

const IS_WHOLE = "a name that ends in .json, where the file is one JSON text and not one a line";

/**
 * Returns a key that an object of this JSON has twice, since `JSON.parse` would silently keep only the last.
 */
function repeatedKey(json: string): string | null {
  const open: (Set<string> | null)[] = [];
  const colon = /\s*:/y;
  for (let i = 0; i < json.length; i++) {
    const char = json[i];
    if (char === "{" || char === "[") open.push(char === "{" ? new Set() : null);
    if (char === "}" || char === "]") open.pop();
    if (char !== '"') continue;
    const from = i;
    while (json[++i] !== '"') if (json[i] === "\\") i++;
    colon.lastIndex = i + 1;
    const keys = open.at(-1);
    if (!keys || !colon.test(json)) continue;
    const key: string = JSON.parse(json.slice(from, i + 1));
    if (keys.has(key)) return key;
    keys.add(key);
  }
  return null;
}

/** The maximum nesting of a row. The code that reads rows is recursive, and the stack is limited. */
const MAX_DEPTH = 500;

function isDeeper(value: unknown, most: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return most === 0 || Object.values(value).some((inner) => isDeeper(inner, most - 1));
}
