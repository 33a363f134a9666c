/** The options of a multiple-choice question, in the forms that data files have them in. */
import {
  bareColumn,
  type Columns,
  columnOf,
  entriesIn,
  fieldsIn,
  listIn,
  objectIn,
} from "./columns.js";
import type { Row } from "./rows.js";
import { LETTERS } from "./task.js";

export interface Options {
  choices: string[];
  /** What the answers call the options, where the file says so. */
  labels?: string[];
  /** Whether answers may be meant otherwise than by these labels, as `option1` says little of what 1 is. */
  mayBeOther?: boolean;
  /** The places of the right ones, where the options say it themselves. */
  right?: number[];
}

/** Columns of one option each: `A`, `option_a`, `choice 1`. */
const LETTERED = /^(?:option|choice|opt|answer|op)?([a-z])$/;
const NUMBERED = /^(?:option|choice|opt|ending|sol|solution|ans|answer)(\d+)$/;
const WRONG = /^(?:(?:incorrect|wrong|false)(?:answer|option|choice)?s?|distractors?)\d*$/;
const RIGHT = ["correctanswer", "rightanswer", "correct", "bestanswer", "answer"];

/** The options of a row. Throws `ERR_INVALID_DATA` where it has none. */
export function optionsOf(row: Row, columns: Columns): Options {
  const apart = columns.choices === undefined ? rightAndWrong(row) : undefined;
  if (apart !== undefined) return { choices: apart, right: [0] };
  const named = columns.choices?.split(",");
  if (named !== undefined && named.length > 1) {
    return { choices: named.map((name) => row.scalar(name).trim()) };
  }
  const column = columnOf(row, "choices", columns);
  if (column !== undefined) {
    const found = optionsIn(row.fields[column]);
    return found ?? row.refuse(column, "be a list of texts, or of JSON in a CSV");
  }
  const single = singleColumns(row);
  if (single !== undefined) return single;
  throw row.invalid(
    `expected a column \`choices\`, or A, B, C, …, got ${Object.keys(row.fields).join(", ")}`,
    "choices=NAME before the file, choices=NAME,NAME,… or labels=no,yes for the same options in each row; answers:FILE for questions without options",
  );
}

/** The right option and the wrong ones, where a row has them in columns of their own. */
function rightAndWrong(row: Row): string[] | undefined {
  const names = Object.keys(row.fields);
  const wrong = names.filter((name) => WRONG.test(bareColumn(name)) && row.has(name));
  const right = RIGHT.map((usual) => names.find((name) => bareColumn(name) === usual)).find(
    Boolean,
  );
  const [only] = wrong;
  if (only === undefined || right === undefined) return undefined;
  const texts = wrong.length === 1 ? severalIn(row, only) : undefined;
  return [row.scalar(right).trim(), ...(texts ?? wrong.map((name) => row.scalar(name).trim()))];
}

/** A list; of a column whose name is a plural also `one; two`, as TruthfulQA has it. */
function severalIn(row: Row, column: string): string[] | undefined {
  const value = row.fields[column];
  if (typeof value === "string" && bareColumn(column).endsWith("s") && value.includes(";")) {
    return listIn(value) ?? value.split(";").map((text) => text.trim());
  }
  return listIn(value);
}

/** A, B, C, … without a gap, or 1, 2, 3; in the order of these names. An empty one is no option. */
function singleColumns(row: Row): Options | undefined {
  const filled = Object.keys(row.fields).filter(
    (name) => row.has(name) && row.scalar(name).trim() !== "",
  );
  const by = (pattern: RegExp) =>
    new Map(
      filled.flatMap((name) => {
        const label = pattern.exec(bareColumn(name))?.[1];
        return label === undefined ? [] : [[label.toUpperCase(), row.scalar(name).trim()]];
      }),
    );
  const lettered = by(LETTERED);
  const gap = LETTERS.findIndex((letter) => !lettered.has(letter));
  if (gap > 1) {
    const labels = LETTERS.slice(0, gap);
    return { choices: labels.map((label) => lettered.get(label) as string), labels };
  }
  const numbered = by(NUMBERED);
  if (numbered.size === 0) return undefined;
  const labels = [...numbered.keys()].toSorted((a, b) => Number(a) - Number(b));
  const choices = labels.map((label) => numbered.get(label) as string);
  return { choices, labels, mayBeOther: true };
}

function optionsIn(value: unknown): Options | undefined {
  const texts = listIn(value);
  if (texts !== undefined) return withoutLabels(texts.map((text) => text.trim()));
  const list = entriesIn(value)?.map(fieldsIn);
  if (list?.every((entry) => typeof entry?.text === "string")) {
    const labels = list.map((entry) => entry?.label);
    return {
      choices: list.map((entry) => String(entry?.text).trim()),
      ...(labels.every((label) => label !== undefined) && { labels: labels.map(String) }),
    };
  }
  if (typeof value === "string" && !value.trim().startsWith("{")) return inOneText(value);
  return ofFields(value);
}

/** `{ text: [...], label: [...] }`, `{ choices: [...], labels: [1, 0] }`, and `{ A: …, B: … }`. */
function ofFields(value: unknown): Options | undefined {
  const fields = fieldsIn(value);
  if (fields === undefined) return undefined;
  const [texts, labels] = [listIn(fields.text), listIn(fields.label)];
  if (texts !== undefined) {
    return { choices: texts, ...(labels?.length === texts.length && { labels }) };
  }
  const [choices, truths] = [listIn(fields.choices), listIn(fields.labels)];
  if (choices !== undefined && truths?.length === choices.length) {
    return { choices, right: truths.flatMap((truth, i) => (truth === "1" ? [i] : [])) };
  }
  const entries = Object.entries(objectIn(value) ?? {});
  const isPlain = entries.every(([, text]) => typeof text === "string");
  if (entries.length === 0 || !isPlain) return undefined;
  return { choices: entries.map(([, text]) => String(text)), labels: entries.map(([key]) => key) };
}

/** Without the letters before them, where all have theirs: `A)5 km`, `(b) 7`. */
function withoutLabels(texts: string[]): Options {
  const found = texts.map((text) => /^\(?([A-Za-z])\s*[).:]\s*(\S.*)$/s.exec(text));
  const isLabelled = found.every((match, i) => match?.[1]?.toUpperCase() === LETTERS[i]);
  if (texts.length < 2 || !isLabelled) return { choices: texts };
  return {
    choices: found.map((match) => (match?.[2] ?? "").trim()),
    labels: LETTERS.slice(0, texts.length),
  };
}

/** `a ) 5 km , b ) 7 km`, as MathQA has it. */
function inOneText(text: string): Options | undefined {
  const parts = text.trim().split(/\s*,\s*(?=[a-z]\s*\)\s)/i);
  const options = withoutLabels(parts);
  return options.labels === undefined ? undefined : options;
}
