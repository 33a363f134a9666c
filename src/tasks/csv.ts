/** Records of CSV and TSV files, as spreadsheets and pandas write them. */
import { pipeline } from "node:stream";
import { invalidLine } from "./data-lines.js";

/** The fields of a row by the names of their columns, and the line where it starts, from 1. */
export interface CsvRecord {
  fields: Record<string, string>;
  line: number;
}

/**
 * The records behind a header. Fields are separated by what the header has most of: commas, semicolons or
 * tabs. Empty lines, and rows of empty fields, are none. A TSV may have quotes within its fields. Throws
 * `ERR_INVALID_DATA`.
 */
export async function* readCsv(
  file: string,
  lines: AsyncIterable<string>,
  kind: "csv" | "tsv" = "csv",
): AsyncGenerator<CsvRecord> {
  const { parse, CsvError } = await import("csv-parse");
  const text = joined(lines);
  const start = await text.next();
  if (start.done) return;
  const names = (header: string[]) => {
    const twice = header.find((name, i) => name !== "" && header.indexOf(name) < i);
    if (twice === undefined) return header;
    throw invalidLine(file, 1, `expected every column once, \`${twice}\` is there again`);
  };
  const parser = parse({
    columns: names,
    delimiter: separatorOf(start.value),
    info: true,
    record_delimiter: ["\n", "\r"],
    relax_quotes: kind === "tsv",
    skip_empty_lines: true,
    skip_records_with_empty_values: true,
  });
  try {
    pipeline(followed(start.value, text), parser, () => {});
    // `lines` counts those of the file up to the record's end: fields may hold line breaks.
    for await (const { record, info } of parser as AsyncIterable<ParsedRecord>) {
      yield { fields: record, line: info.lines - lineBreaksIn(record) };
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    const line = typeof error.lines === "number" ? error.lines : 1;
    throw invalidLine(file, line, ...complaintOf(error));
  }
}

interface ParsedRecord {
  record: Record<string, string>;
  info: { lines: number };
}

/** csv-parse's complaint, in words of people with a file: what was expected, and what may help. */
function complaintOf(error: Error & { code: string; [field: string]: unknown }): [string, string?] {
  const { columns, record } = error;
  if (Array.isArray(columns) && Array.isArray(record)) {
    const fields = (count: number) => `${count} ${count === 1 ? "field" : "fields"}`;
    return [
      `expected ${fields(columns.length)}, as the header has, got ${record.length}`,
      "quotes around a field that holds the separator",
    ];
  }
  return /QUOTE/.test(error.code)
    ? ["expected a quoted field to end with its quote", 'a quote within a field as "", in quotes']
    : [`expected CSV: ${error.message}`];
}

/** Comma, semicolon or tab: the one that a header has most of, outside of quotes. */
function separatorOf(text: string): string {
  const [header = ""] = text.split(/[\r\n]/, 1);
  const bare = header.replace(/"[^"]*"/g, "");
  const count = (separator: string) => bare.split(separator).length;
  return [",", ";", "\t"].reduce((a, b) => (count(b) > count(a) ? b : a));
}

/** The file's text, a line at a time, each ended by LF alone: csv-parse counts a CR beside it as a line. */
async function* joined(lines: AsyncIterable<string>): AsyncGenerator<string> {
  for await (const line of lines) yield `${line.replace(/\r$/, "")}\n`;
}

async function* followed(start: string, rest: AsyncIterable<string>): AsyncGenerator<string> {
  yield start;
  yield* rest;
}

function lineBreaksIn(record: Record<string, string>): number {
  const breaks = (text: string) => text.split(/[\r\n]/).length - 1;
  return Object.values(record).reduce((sum, text) => sum + breaks(text), 0);
}
