/** The columns of data files that no task of the package knows, found by their usual names. */
import { LlamaEtsError } from "../engine/errors.js";
import type { Row } from "./rows.js";

/** The usual names of a column, as `bare` has them, in the order in which they are looked for. */
const USUAL = {
  id: ["id", "taskid", "questionid", "recordid", "uniqueid", "problemid", "queryid", "qid"],
  question: [
    ...["question", "problem", "prompt", "query", "questionstem", "stem", "input", "instruction"],
    ...["text", "sentence", "ctx", "goal"],
  ],
  context: ["context", "passage", "article", "paragraph", "body", "premise"],
  choices: ["choices", "options", "endings", "answerchoices", "candidates", "mc1targets"],
  answer: [
    ...["answer", "answerkey", "correctanswer", "gold", "target", "label", "correct", "solution"],
    ...["answers", "answeridx", "answerindex", "expectedanswer", "finalanswer", "output"],
    ...["correctoption", "cop", "answersspans", "correctanswers", "bestanswer", "possibleanswers"],
    ...["goldanswer", "referenceanswer", "groundtruth"],
  ],
} as const;

export type ColumnRole = keyof typeof USUAL;

/** Columns that the user names; the others are found. */
export type Columns = Partial<Record<ColumnRole, string>>;

/** In the place of a column's name: none, though the file may have one of a usual name. */
const NONE = "-";

/** A column's name without case, blanks and signs. */
export function bareColumn(name: string): string {
  return name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
}

/** The name that a row has for what plays a role; undefined where it has none. */
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

/** As `columnOf`; a row without such a column is refused. */
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

/** What a row is called: its own name, or the number of its line. */
export function idOf(row: Row, task: string, columns: Columns): string {
  const column = columns.id === NONE ? undefined : columnOf(row, "id", columns);
  return column !== undefined && row.has(column) && row.scalar(column) !== ""
    ? row.scalar(column)
    : `${task}/${row.line}`;
}

/** The question, below the text that it is about where the row has one. */
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

/** The fields of an object, or of JSON within a CSV's field, by their bare names; undefined for what is none. */
export function fieldsIn(value: unknown): Record<string, unknown> | undefined {
  const object = isText(value) && value.trim().startsWith("{") ? parsed(value) : value;
  if (typeof object !== "object" || object === null || Array.isArray(object)) return undefined;
  return Object.fromEntries(Object.entries(object).map(([key, inner]) => [bareColumn(key), inner]));
}

/** A list, also as JSON or a list of Python within a CSV's field; undefined for what is none. */
export function entriesIn(value: unknown): unknown[] | undefined {
  const list = isText(value) && value.trim().startsWith("[") ? parsed(value) : value;
  return Array.isArray(list) ? list : undefined;
}

/** As `entriesIn`, of texts and numbers alone. */
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
