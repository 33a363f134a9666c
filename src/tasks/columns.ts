/** The columns of data files that no task of the package knows, found by their usual names. */
import { LlamaEtsError } from "../engine/errors.js";
import { invalidLine } from "./data-lines.js";
import type { Row } from "./rows.js";

/** The usual names of a column, as `bare` has them, in the order in which they are looked for. */
const USUAL = {
  id: ["id", "taskid", "questionid", "recordid", "uniqueid", "problemid"],
  question: ["question", "problem", "prompt", "query", "input", "instruction", "text"],
  choices: ["choices", "options", "endings", "mc1targets"],
  answer: [
    ...["answer", "answerkey", "correctanswer", "gold", "target", "label", "correct", "solution"],
    ...["answers", "answeridx", "answerindex", "expectedanswer", "finalanswer", "output"],
  ],
} as const;

export type ColumnRole = keyof typeof USUAL;

/** Columns that the user names; the others are found. */
export type Columns = Partial<Record<ColumnRole, string>>;

/** A column's name without case, blanks and signs. */
export function bareColumn(name: string): string {
  return name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
}

/** The name that a row has for what plays a role; undefined where it has none. */
export function columnOf(row: Row, role: ColumnRole, columns: Columns): string | undefined {
  const given = columns[role];
  if (given !== undefined) {
    if (given in row.fields) return given;
    throw invalidLine(
      ...([row.file, row.line, `expected a column \`${given}\`, got ${namesOf(row)}`] as const),
      "the column's name as the file has it",
    );
  }
  const names = Object.keys(row.fields);
  return USUAL[role]
    .map((usual) => names.find((name) => bareColumn(name) === usual))
    .find((name) => name !== undefined);
}

/** As `columnOf`; a row without such a column is refused. */
export function needColumn(row: Row, role: ColumnRole, columns: Columns): string {
  const found = columnOf(row, role, columns);
  if (found !== undefined) return found;
  throw invalidLine(
    ...([row.file, row.line, `expected a column for the ${role}, got ${namesOf(row)}`] as const),
    `${role}=NAME before the file, as in answers:${role}=NAME:FILE`,
  );
}

function namesOf({ fields }: Row): string {
  const names = Object.keys(fields);
  return names.length === 0 ? "none" : names.slice(0, 20).join(", ");
}

/** What a row is called: its own name, or the number of its line. */
export function idOf(row: Row, task: string, columns: Columns): string {
  const column = columnOf(row, "id", columns);
  return column !== undefined && row.has(column) && row.scalar(column) !== ""
    ? row.scalar(column)
    : `${task}/${row.line}`;
}

/** A list of texts, also as JSON or a list of Python within a CSV's field; undefined for what is none. */
export function listIn(value: unknown): string[] | undefined {
  const list = typeof value === "string" && value.trim().startsWith("[") ? parsed(value) : value;
  const isList =
    Array.isArray(list) &&
    list.every((entry) => typeof entry === "string" || typeof entry === "number");
  return isList ? list.map(String) : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return PYTHON_LIST.test(text) ? pythonTexts(text) : undefined;
  }
}

/** What pandas writes for a list of texts: `['a', "it's"]`, and for an array of them: `['a' "it's"]`. */
const PYTHON_TEXT = /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/gs;
const PYTHON_LIST = new RegExp(
  String.raw`^\s*\[\s*(?:(?:${PYTHON_TEXT.source})(?:\s*,\s*|\s+|(?=\s*\])))+\]\s*$`,
  "s",
);

/** The texts of such a list; undefined where one has an escape that isn't read. */
function pythonTexts(list: string): string[] | undefined {
  const texts = (list.match(PYTHON_TEXT) ?? []).map((quoted) => quoted.slice(1, -1));
  if (texts.some((text) => /\\[^\\'"nrt]/.test(text.replaceAll("\\\\", "")))) return undefined;
  const signs: Record<string, string> = { n: "\n", r: "\r", t: "\t" };
  return texts.map((text) => text.replace(/\\(.)/gs, (_, sign: string) => signs[sign] ?? sign));
}

/** A task's name with its settings, `choices:question=Frage:FILE`, taken apart. */
export interface TaskSpec {
  settings: Record<string, string>;
  file: string | undefined;
}

/** Reads what follows a task's name. Throws `ERR_INVALID_OPTION` for settings that it doesn't know. */
export function parseTaskSpec(name: string, rest: string, known: readonly string[]): TaskSpec {
  const settings: Record<string, string> = {};
  let left = rest;
  for (let found = SETTING.exec(left); found !== null; found = SETTING.exec(left)) {
    const [whole, key = "", value = ""] = found;
    if (!known.includes(key) || Object.hasOwn(settings, key)) {
      throw new LlamaEtsError(
        "ERR_INVALID_OPTION",
        `Expected settings of \`${name}\` to be ${known.join(", ")}, each once, got \`${key}\``,
        { fix: `${name}:question=NAME:answer=NAME:FILE` },
      );
    }
    settings[key] = value;
    left = left.slice(whole.length);
  }
  return { settings, file: left === "" ? undefined : left };
}

/** `question=Frage:` or, at the end, `question=Frage`. */
const SETTING = /^(\w+)=([^:]+)(?::|$)/;

/** The name by which a task with settings is found again. */
export function specName(name: string, settings: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(settings).sort();
  return [name, ...sorted.map(([key, value]) => `${key}=${value}`)].join(":");
}
