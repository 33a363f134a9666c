/**
 * Any multiple-choice questions: `choices:FILE`. A row has a question, its options (a list, or columns
 * A, B, C …) and the answer: a letter, an option's text or label, or a number from 0.
 */
import { checkOneOf } from "../engine/check.js";
import { askWithLetters, extractLetter, letterGrader, shuffled } from "./choice-letters.js";
import { bareColumn, type Columns, columnOf, idOf, listIn, needColumn } from "./columns.js";
import { invalidLine } from "./data-lines.js";
import { defineTask } from "./define-task.js";
import type { Row } from "./rows.js";
import { LETTERS, type PromptForm, type Task, type TaskItem, type TaskPrompt } from "./task.js";

/** Where the options of an item are not known, letters up to this one count. */
const USUAL_COUNT = 5;
/** Columns of one option each: `A`, `option_a`, `choice 1`. */
const ONE_OPTION =
  /^(?:(?:option|choice|opt|answer|op)?([a-z])|(?:option|choice|opt|ending)(\d+))$/;
const WRONG = /^(?:incorrect|wrong)(?:answer|option|choice)?\d*$/;
const RIGHT = ["correctanswer", "rightanswer", "correct", "answer"];

export interface ChoicesOptions {
  columns: Columns;
  /** What answers are. Null: what names one option. */
  by: AnswerKind | null;
  /** The number of the first option. Null: 0, and a number may be an option's text. */
  first: number | null;
  /** A prompt's template; null: the question and its options. */
  template: string | null;
  /** The data file where none is named. */
  file: string | undefined;
}

const ANSWER_KINDS = ["letter", "text", "label", "number"] as const;
type AnswerKind = (typeof ANSWER_KINDS)[number];

interface Options {
  choices: string[];
  /** What the answers call the options, where the file says so. */
  labels?: string[];
}

export function choicesTask(
  name: string,
  { columns, by, first, template, file }: ChoicesOptions,
): Task {
  return defineTask({
    name,
    extract: (text, item) => extractLetter(text, item, USUAL_COUNT),
    ...(file !== undefined && { dataFile: file }),
    ...(template === null ? { prompt: ask } : { template }),
    parse(row) {
      const id = idOf(row, "choices", columns);
      const prompt = row.text(needColumn(row, "question", columns)).trim();
      const apart = columns.choices === undefined ? rightAndWrong(row) : undefined;
      if (apart !== undefined) {
        const choices = shuffled(id, apart);
        checkChoices(row, choices);
        const gold = LETTERS[choices.indexOf(apart[0] as string)] as string;
        return { id, prompt, gold, choices };
      }
      const options = optionsOf(row, columns);
      checkChoices(row, options.choices);
      const answer = needColumn(row, "answer", columns);
      const gold = LETTERS[indexOfAnswer(row, answer, options, { by, first })] as string;
      return { id, prompt, gold, choices: options.choices };
    },
    openGrader: async ({ mode = "fair" } = {}) => letterGrader(mode, USUAL_COUNT),
  });
}

function ask({ prompt, choices = [] }: TaskItem, form: PromptForm): TaskPrompt {
  const asked = askWithLetters(prompt, choices);
  if (form === "paper") {
    return { prompt: `Question: ${asked}\nAnswer:`, raw: true, stop: ["\nQuestion:"] };
  }
  const how = "Think step by step. End with a line `The answer is (X)`, X being the letter.";
  return { prompt: `${asked}\n\n${how}`, raw: false, stop: [] };
}

/** The right option and the wrong ones, where a row has them in columns of their own. */
function rightAndWrong(row: Row): string[] | undefined {
  const names = Object.keys(row.fields);
  const wrong = names.filter((name) => WRONG.test(bareColumn(name)) && row.has(name));
  const right = RIGHT.map((usual) => names.find((name) => bareColumn(name) === usual)).find(
    Boolean,
  );
  if (wrong.length === 0 || right === undefined) return undefined;
  const [only] = wrong;
  const texts = wrong.length === 1 ? listIn(row.fields[only as string]) : undefined;
  return [row.scalar(right).trim(), ...(texts ?? wrong.map((name) => row.scalar(name).trim()))];
}

function optionsOf(row: Row, columns: Columns): Options {
  const named = columns.choices?.split(",");
  if (named !== undefined && named.length > 1) {
    return { choices: named.map((name) => row.scalar(name).trim()) };
  }
  const column = columnOf(row, "choices", columns);
  if (column !== undefined) {
    const value = row.fields[column];
    const list = listIn(value) ?? ofFields(value);
    return Array.isArray(list)
      ? { choices: list.map((text) => text.trim()) }
      : (list ?? row.refuse(column, "be a list of texts, or of JSON in a CSV"));
  }
  const single = Object.keys(row.fields).filter(
    (name) => ONE_OPTION.test(bareColumn(name)) && row.has(name) && row.scalar(name).trim() !== "",
  );
  if (single.length > 0) return { choices: single.map((name) => row.scalar(name).trim()) };
  const names = Object.keys(row.fields).join(", ");
  throw invalidLine(
    ...([
      row.file,
      row.line,
      `expected a column \`choices\`, or A, B, C, …, got ${names}`,
    ] as const),
    "choices=NAME before the file, or choices=NAME,NAME,…",
  );
}

/** `{ text: [...], label: [...] }`, and `{ A: …, B: … }`. */
function ofFields(value: unknown): Options | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const fields = value as Record<string, unknown>;
  const [texts, labels] = [listIn(fields.text), listIn(fields.label)];
  if (texts !== undefined) {
    return { choices: texts, ...(labels?.length === texts.length && { labels }) };
  }
  const entries = Object.entries(fields);
  const isPlain = entries.every(([, text]) => typeof text === "string");
  if (entries.length === 0 || !isPlain) return undefined;
  return { choices: entries.map(([, text]) => String(text)), labels: entries.map(([key]) => key) };
}

function checkChoices({ file, line }: Row, choices: readonly string[]): void {
  const twice = choices.find((choice, i) => choices.indexOf(choice) < i);
  const complaint =
    choices.length < 2 || choices.length > LETTERS.length
      ? `from 2 to ${LETTERS.length} options, got ${choices.length}`
      : choices.includes("")
        ? "options that say something, got an empty one"
        : twice === undefined
          ? undefined
          : `each option once, got \`${twice}\` twice`;
  if (complaint !== undefined) throw invalidLine(file, line, `expected ${complaint}`);
}

/** Which option the answer names. What could name two different ones is refused. */
function indexOfAnswer(
  row: Row,
  column: string,
  { choices, labels }: Options,
  { by, first }: Pick<ChoicesOptions, "by" | "first">,
): number {
  const answer = row.scalar(column).trim();
  const bare = answer.replace(/^\((.+)\)$/, "$1");
  const found: Record<AnswerKind, number> = {
    label: labels?.indexOf(bare) ?? -1,
    letter: /^[A-Za-z]$/.test(bare) ? LETTERS.indexOf(bare.toUpperCase()) : -1,
    number: /^\d+$/.test(bare) ? Number(bare) - (first ?? 0) : -1,
    text: choices.indexOf(answer),
  };
  const isThere = (kind: AnswerKind) => found[kind] >= 0 && found[kind] < choices.length;
  // A file that labels its options means its labels, and one whose first number is told its numbers.
  const preferred = (["label", ...(first === null ? [] : ["number" as const])] as const).find(
    isThere,
  );
  const meant = by ?? preferred;
  const named = ANSWER_KINDS.filter((kind) => (meant ?? kind) === kind && isThere(kind));
  const places = [...new Set(named.map((kind) => found[kind]))];
  const [place] = places;
  if (place !== undefined && places.length === 1) return place;
  const shown = `\`${answer.slice(0, 100)}\``;
  const meanings = named.map((kind) => `${LETTERS[found[kind]]} as a ${kind}`).join(" and ");
  throw invalidLine(
    ...([row.file, row.line] as const),
    place === undefined
      ? `expected \`${column}\` to name one of ${choices.length} options, got ${shown}`
      : `expected \`${column}\` to name one option, got ${shown}, which is ${meanings}`,
    place === undefined
      ? "a letter, an option's text, or a number from 0; first=1 before the file where they count from 1"
      : `by=${named.join(" or by=")} before the file`,
  );
}

/** The settings `by` and `first` of a task's name. Throws `ERR_INVALID_OPTION`. */
export function parseAnswerKind(
  by: string | undefined,
  first: string | undefined,
): Pick<ChoicesOptions, "by" | "first"> {
  return {
    by: by === undefined ? null : checkOneOf("by", by, ANSWER_KINDS),
    first: first === undefined ? null : Number(checkOneOf("first", first, ["0", "1"])),
  };
}
