/** Rows of data files: `.jsonl` and `.csv`, perhaps packed (`.gz`), read one at a time. */
import path from "node:path";
import { addAbortSignal } from "node:stream";
import { LlamaEtsError, messageOf } from "../engine/errors.js";
import { readCsv } from "./csv.js";
import { invalidLine, openData, readLines, unreadable } from "./data-lines.js";

/** One row, which names itself in every complaint about its fields. */
export class Row {
  readonly file: string;
  /** The line where it starts, counted from 1. */
  readonly line: number;
  /** All fields, as the file has them; a CSV's are strings. */
  readonly fields: Readonly<Record<string, unknown>>;

  /** The row's JSON as the file has it; empty for a CSV's. */
  readonly source: string;

  constructor(file: string, line: number, fields: Record<string, unknown>, source = "") {
    this.file = file;
    this.line = line;
    this.fields = fields;
    this.source = source;
  }

  has(field: string): boolean {
    return this.fields[field] !== undefined && this.fields[field] !== null;
  }

  /** A name that is written as a string or a number, as it is. */
  name(field: string): string | number {
    const value = this.fields[field];
    return typeof value === "number" ? value : this.string(field);
  }

  string(field: string): string {
    const value = this.fields[field];
    return typeof value === "string" ? value : this.refuse(field, "be a string");
  }

  /** A string that says something. */
  text(field: string): string {
    const value = this.string(field);
    return value.trim() === "" ? this.refuse(field, "hold text") : value;
  }

  /** A string, or a number as written; one that has lost digits is refused. */
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
  refuse(field: string, expected: string): never {
    throw invalidLine(this.file, this.line, `expected \`${field}\` to ${expected}`);
  }
}

/**
 * The rows of a file, `-` being standard input (JSON lines). Throws `ERR_INVALID_DATA`, and the signal's
 * reason, also while nothing comes.
 */
export async function* readRows(file: string, signal?: AbortSignal): AsyncGenerator<Row> {
  const name = file === "-" ? "standard input" : file;
  try {
    const isTable = isCsv(file);
    const content = openData(file);
    if (signal !== undefined) addAbortSignal(signal, content);
    const lines = readLines(name, content);
    if (!isTable) yield* readJsonLines(name, lines);
    else
      for await (const { fields, line } of readCsv(name, lines)) yield new Row(name, line, fields);
  } catch (error) {
    signal?.throwIfAborted();
    throw unreadable(name, error);
  }
}

/** By the name's extension; without one (`-`, `/dev/fd/63`) the rows are JSON lines. */
function isCsv(file: string): boolean {
  const extension = path.extname(file.replace(/\.gz$/i, "")).toLowerCase();
  if (["", ".jsonl", ".ndjson"].includes(extension)) return false;
  if ([".csv", ".tsv"].includes(extension)) return true;
  throw new LlamaEtsError(
    "ERR_INVALID_DATA",
    `${file}: expected a .jsonl, .jsonl.gz, .csv or .tsv file, got \`${extension}\``,
    { fix: "a name that says what the file holds: .jsonl for one JSON object a line" },
  );
}

async function* readJsonLines(file: string, lines: AsyncIterable<string>): AsyncGenerator<Row> {
  let number = 0;
  for await (const line of lines) {
    number++;
    if (line.trim() !== "") yield parseJsonRow(file, number, line);
  }
}

function parseJsonRow(file: string, number: number, line: string): Row {
  let fields: unknown;
  try {
    fields = parseJson(line);
  } catch (error) {
    throw invalidLine(file, number, `expected JSON: ${messageOf(error)}`);
  }
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) {
    throw invalidLine(file, number, "expected a JSON object");
  }
  if (isDeeper(fields, MAX_DEPTH)) {
    throw invalidLine(file, number, `expected values nested at most ${MAX_DEPTH} deep`);
  }
  const twice = repeatedKey(line);
  if (twice !== null) {
    throw invalidLine(file, number, `expected every key once, \`${twice}\` is there again`);
  }
  return new Row(file, number, fields as Record<string, unknown>, line);
}

/** A key that an object of this JSON has twice, of which `JSON.parse` keeps the last alone. */
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

/** What reads rows is recursive, and the stack ends somewhere. */
const MAX_DEPTH = 500;

function isDeeper(value: unknown, most: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return most === 0 || Object.values(value).some((inner) => isDeeper(inner, most - 1));
}

/** Python's JSON may hold NaN and Infinity, which read as null. */
function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    const plain = line.replace(/"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g, (found) =>
      found.startsWith('"') ? found : "null",
    );
    if (plain === line) throw error;
    return JSON.parse(plain);
  }
}
