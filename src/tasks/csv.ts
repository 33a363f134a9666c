/** Reads the records of CSV and TSV files, as spreadsheets and pandas write them. */
import { pipeline } from "node:stream";
import { invalidLine } from "./data-lines.js";

/** The fields of a row by their column names, and the row's first line, from 1. */
export interface CsvRecord {
  fields: Record<string, string>;
  line: number;
}

/**
 * Yields the records after the header. The separator is the most frequent of comma, semicolon and tab in the
 * header. Empty lines and rows of empty fields are skipped. The fields of a TSV may contain quotes. Throws
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
    // `lines` counts the file's lines up to the end of the record, since fields may contain line breaks.
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

/** Converts an error of csv-parse to what was expected, and perhaps a fix. */
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

/** Returns the most frequent of comma, semicolon and tab in the header, outside of quotes. */
function separatorOf(text: string): string {
  const [header = ""] = text.split(/[\r\n]/, 1);
  const bare = header.replace(/"[^"]*"/g, "");
  const count = (separator: string) => bare.split(separator).length;
  return [",", ";", "\t"].reduce((a, b) => (count(b) > count(a) ? b : a));
}

/** Yields the file's lines, each ended by only LF, because csv-parse would count a CR as another line. */
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
