/** Finds the columns of arbitrary data files by their usual names. */
import { LlamaEtsError } from "../engine/errors.js";
import type { Row } from "./rows.js";

/** The usual names of each column as `bareColumn` returns them, in the order of the search. */
const USUAL = {
  id: ["id", "taskid", "questionid", "recordid", "uniqueid", "problemid", "queryid", "qid"],
  question: [
    "question",
    "problem",
    "prompt",
    "query",
    "questionstem",
    "stem",
    "input",
    "instruction",
    "text",
    "sentence",
    "ctx",
    "goal",
  ],
  context: ["context", "passage", "article", "paragraph", "body", "premise"],
  choices: ["choices", "options", "endings", "answerchoices", "candidates", "mc1targets"],
  answer: [
    "answer",
    "answerkey",
    "correctanswer",
    "gold",
    "target",
    "label",
    "correct",
    "solution",
    "answers",
    "answeridx",
    "answerindex",
    "expectedanswer",
    "finalanswer",
    "output",
    "correctoption",
    "cop",
    "answersspans",
    "correctanswers",
    "bestanswer",
    "possibleanswers",
    "goldanswer",
    "referenceanswer",
    "groundtruth",
  ],
} as const;

export type ColumnRole = keyof typeof USUAL;

/** The columns that the user names. The others are found by their usual names. */
export type Columns = Partial<Record<ColumnRole, string>>;

/** Stands for a column's name if the role has no column, even if the file has a column of a usual name. */
const NONE = "-";

/** Returns a column's name in lower case without blanks and signs. */
export function bareColumn(name: string): string {
  return name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
}

/** Returns the name of the column with a role in a row; undefined if there is none. */
export function columnOf(row: Row, role: ColumnRole, columns: Columns): string | undefined {
  const given = columns[role];
  if (given !== undefined) {
    if (Object.hasOwn(row.fields, given)) return given;
    throw row.invalid(
      `expected a column \`${given}\`, got ${namesOf(row)}`,
      "the column's name as the file has it",
    );
  }
  const names = Object.keys(row.fields);
  return USUAL[role]
    .map((usual) => names.find((name) => bareColumn(name) === usual))
    .find((name) => name !== undefined);
}

/** As `columnOf`, but refuses a row without such a column. */
export function needColumn(row: Row, role: ColumnRole, columns: Columns): string {
  const found = columnOf(row, role, columns);
  if (found !== undefined) return found;
  const nested = Object.keys(row.fields).find((name) => isNested(row.fields[name]));
  throw row.invalid(
    `expected a column for the ${role}, got ${namesOf(row)}`,
    nested === undefined
      ? `${role}=NAME before the file, as in answers:${role}=NAME:FILE; a CSV's first line names its columns`
      : `${role}=NAME before the file; the rows that \`${nested}\` holds as rows of the file`,
  );
}

function isNested(value: unknown): boolean {
  return Array.isArray(value) && typeof value[0] === "object" && value[0] !== null;
}

function namesOf({ fields }: Row): string {
  const names = Object.keys(fields);
  return names.length === 0 ? "none" : names.slice(0, 20).join(", ");
}

/** Returns the id of a row: its own, or one made from its line number. */
export function idOf(row: Row, task: string, columns: Columns): string {
  const column = columns.id === NONE ? undefined : columnOf(row, "id", columns);
  return column !== undefined && row.has(column) && row.scalar(column) !== ""
    ? row.scalar(column)
    : `${task}/${row.line}`;
}

/** Returns the question, after the text that it is about if the row has one. */
export function questionOf(row: Row, columns: Columns): string {
  const question = row.text(needColumn(row, "question", columns)).trim();
  const column = columns.context === NONE ? undefined : columnOf(row, "context", columns);
  if (column === undefined || (columns.context === undefined && !isText(row.fields[column]))) {
    return question;
  }
  const context = row.string(column).trim();
  return context === "" || context === question ? question : `${context}\n\n${question}`;
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

/** Returns an object, also from JSON in a CSV field; undefined for other values. */
export function objectIn(value: unknown): object | undefined {
  const object = isText(value) && value.trim().startsWith("{") ? parsed(value) : value;
  return typeof object === "object" && object !== null && !Array.isArray(object)
    ? object
    : undefined;
}

/**
 * Returns the fields, by their bare names, of an object or of JSON in a CSV field; undefined for other
 * values.
 */
export function fieldsIn(value: unknown): Record<string, unknown> | undefined {
  const object = objectIn(value);
  if (object === undefined) return undefined;
  return Object.fromEntries(Object.entries(object).map(([key, inner]) => [bareColumn(key), inner]));
}

/** Returns a list, also from JSON or a Python list in a CSV field; undefined for other values. */
export function entriesIn(value: unknown): unknown[] | undefined {
  const list = isText(value) && value.trim().startsWith("[") ? parsed(value) : value;
  return Array.isArray(list) ? list : undefined;
}

/** As `entriesIn`, but only for lists of texts and numbers. */
export function listIn(value: unknown): string[] | undefined {
  const list = entriesIn(value);
  const isTexts = list?.every((entry) => isText(entry) || typeof entry === "number");
  return isTexts ? list?.map(String) : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return PYTHON_LIST.test(text) ? pythonTexts(text) : undefined;
  }
}

/** A text in pandas' output of lists, `['a', "it's"]`, and of arrays, `['a' "it's"]`. */
const PYTHON_TEXT = /'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"/gs;
const PYTHON_LIST = new RegExp(
  String.raw`^\s*\[\s*(?:(?:${PYTHON_TEXT.source})(?:\s*,\s*|\s+|(?=\s*\])))+\]\s*$`,
  "s",
);

/** Returns the texts of such a list; undefined if one has an unsupported escape. */
function pythonTexts(list: string): string[] | undefined {
  const texts = (list.match(PYTHON_TEXT) ?? []).map((quoted) => quoted.slice(1, -1));
  if (texts.some((text) => /\\[^\\'"nrt]/.test(text.replaceAll("\\\\", "")))) return undefined;
  const signs: Record<string, string> = { n: "\n", r: "\r", t: "\t" };
  return texts.map((text) => text.replace(/\\(.)/gs, (_, sign: string) => signs[sign] ?? sign));
}

/** The parsed name of a task with settings, such as `choices:question=Frage:FILE`. */
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

/** Matches `question=Frage:`, or `question=Frage` at the end. */
const SETTING = /^(\w+)=([^:]+)(?::|$)/;

/** Returns the name from which a task with settings can be found again. */
export function specName(name: string, settings: Readonly<Record<string, string>>): string {
  const sorted = Object.entries(settings).sort();
  return [name, ...sorted.map(([key, value]) => `${key}=${value}`)].join(":");
}
