/**
 * Reads the rows of a file that is one JSON text: an array of objects, or an object that contains one such
 * array.
 */
import { LlamaEtsError, messageOf } from "../engine/errors.js";

/**
 * Returns the JSON of each row; null if the file contains JSON lines in spite of its name. An object without
 * an array of objects is one row. Throws `ERR_INVALID_DATA`.
 */
export function rowsOfJson(file: string, lines: readonly string[]): string[] | null {
  const text = lines.join("\n");
  const whole = parsed(text);
  if ("error" in whole) {
    const first = lines.find((line) => line.trim() !== "") ?? "";
    if ("value" in parsed(first)) return null;
    throw new LlamaEtsError("ERR_INVALID_DATA", `${file}: expected JSON: ${whole.error}`);
  }
  const { value } = whole;
  if (Array.isArray(value)) return membersOf(text).map(({ source }) => source);
  const fields = Object.entries(Object(value));
  const arrays = fields.filter(([, rows]) => isRows(rows)).map(([key]) => key);
  const [only, other] = arrays;
  if (other !== undefined) {
    throw new LlamaEtsError(
      "ERR_INVALID_DATA",
      `${file}: expected one array of rows, got ${quoted(arrays)}`,
      { fix: `a file of one of them, as \`jq '.NAME' FILE > rows.json\` writes it` },
    );
  }
  if (only !== undefined) {
    const rows = membersOf(text).find(({ key }) => key === only);
    return membersOf(rows?.source ?? "[]").map(({ source }) => source);
  }
  const isColumns = fields.length > 0 && fields.every(([, column]) => isColumn(column));
  if (typeof value === "object" && value !== null && !isColumns) return [text];
  throw new LlamaEtsError(
    "ERR_INVALID_DATA",
    `${file}: expected an array of objects, one a row, got ${kindOf(value)}`,
    { fix: 'one object a row, as pandas\' to_json(orient="records") writes them' },
  );
}

function isRows(value: unknown): boolean {
  const isObject = (entry: unknown) =>
    typeof entry === "object" && entry !== null && !Array.isArray(entry);
  return Array.isArray(value) && value.length > 0 && value.every(isObject);
}

/** Returns whether a value is a column: a list of values, or `{"0": …, "1": …}` as pandas writes it. */
function isColumn(value: unknown): boolean {
  return Array.isArray(value) || (typeof value === "object" && value !== null && "0" in value);
}

function kindOf(value: unknown): string {
  return typeof value === "object" && value !== null
    ? `columns: ${quoted(Object.keys(value))}`
    : JSON.stringify(value).slice(0, 80);
}

function quoted(names: readonly string[]): string {
  return names
    .slice(0, 20)
    .map((name) => `\`${name}\``)
    .join(", ");
}

function parsed(text: string): { value: unknown } | { error: string } {
  try {
    return { value: parseJson(text) };
  } catch (error) {
    return { error: messageOf(error) };
  }
}

interface Member {
  /** The key, for a member of an object. */
  key?: string;
  /** The member's original JSON. */
  source: string;
}

/** Returns the members of the array or object in a valid JSON text. */
function membersOf(text: string): Member[] {
  const members: Member[] = [];
  let depth = 0;
  let start = 0;
  let key: string | undefined;
  const end = (at: number) => {
    const source = text.slice(start, at).trim();
    if (source !== "") members.push({ ...(key !== undefined && { key }), source });
    start = at + 1;
    key = undefined;
  };
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === "{" || char === "[") if (++depth === 1) start = i + 1;
    if ((char === "}" || char === "]") && --depth === 0) end(i);
    if (char === "," && depth === 1) end(i);
    if (char === ":" && depth === 1 && key === undefined) {
      key = JSON.parse(text.slice(start, i));
      start = i + 1;
    }
    if (char === '"') while (text[++i] !== '"') if (text[i] === "\\") i++;
  }
  return members;
}

/** Parses JSON. NaN and Infinity, which Python writes, become null. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const plain = text.replace(/"(?:[^"\\]|\\.)*"|-?\bInfinity\b|\bNaN\b/g, (found) =>
      found.startsWith('"') ? found : "null",
    );
    if (plain === text) throw error;
    return JSON.parse(plain);
  }
}
