/**
 * The task `choices:FILE`: any multiple-choice questions. A row has a question, its options (a list, or
 * columns A, B, C …) and the answer: a letter, an option's text or label, or a number from 0.
 */
import { checkOneOf } from "../engine/check.js";
import { askWithLetters, extractLetter, letterGrader, shuffled } from "./choice-letters.js";
import { type Options, optionsOf } from "./choice-options.js";
import { type Columns, fieldsIn, idOf, needColumn, questionOf } from "./columns.js";
import { defineTask } from "./define-task.js";
import { Row } from "./rows.js";
import { LETTERS, type PromptForm, type Task, type TaskItem, type TaskPrompt } from "./task.js";

/** The number of letters that count as answers if the options of an item aren't known. */
const USUAL_COUNT = 5;

export interface ChoicesOptions {
  columns: Columns;
  /** What answers contain. Null if any kind that identifies one option is accepted. */
  by: AnswerKind | null;
  /** The options of every row, for files whose rows have none. */
  labels: readonly string[] | null;
  /** The number of the first option. Null means 0, and that a number may also be an option's text. */
  first: number | null;
  /** The template of prompts; null if the prompt is the question and its options. */
  template: string | null;
  /** The default data file. */
  file: string | undefined;
}

const ANSWER_KINDS = ["letter", "text", "label", "number"] as const;
type AnswerKind = (typeof ANSWER_KINDS)[number];

export function choicesTask(name: string, options: ChoicesOptions): Task {
  const { columns, labels, template, file } = options;
  return defineTask({
    name,
    extract: (text, item) => extractLetter(text, item, USUAL_COUNT),
    ...(file !== undefined && { dataFile: file }),
    ...(template === null ? { prompt: ask } : { template }),
    parse(given) {
      const row = unfolded(given);
      const id = idOf(row, "choices", columns);
      const prompt = questionOf(row, template === null ? columns : { ...columns, context: "-" });
      const found = labels === null ? optionsOf(row, columns) : { choices: [...labels] };
      checkChoices(row, found.choices);
      const right = found.right ?? [indexOfAnswer(row, found, options)];
      if (right.length === 0) throw row.invalid("expected a right option, got none");
      let { choices } = found;
      if (found.right !== undefined) {
        checkWrong(row, choices, right);
        // Such files list the right options first, so the order would give the answer away.
        choices = shuffled(id, choices);
      }
      const texts = right.map((place) => found.choices[place]);
      const gold = LETTERS.filter((_, i) => i < choices.length && texts.includes(choices[i]));
      return { id, prompt, gold: gold.join("\n"), choices };
    },
    openGrader: async ({ mode = "fair" } = {}) => letterGrader(mode, USUAL_COUNT),
  });
}

/**
 * Returns the row with the fields of its question, if the question is an object as in ARC's original files.
 */
function unfolded(row: Row): Row {
  const question = fieldsIn(row.fields.question);
  if (typeof question?.stem !== "string") return row;
  const { file, line, unit, source } = row;
  return new Row(
    file,
    line,
    { ...row.fields, ...question, question: question.stem },
    { unit, source },
  );
}

function ask({ prompt, choices = [] }: TaskItem, form: PromptForm): TaskPrompt {
  const asked = askWithLetters(prompt, choices);
  if (form === "paper") {
    return { prompt: `Question: ${asked}\nAnswer:`, raw: true, stop: ["\nQuestion:"] };
  }
  const how = "Think step by step. End with a line `The answer is (X)`, X being the letter.";
  return { prompt: `${asked}\n\n${how}`, raw: false, stop: [] };
}

/**
 * Checks the options of a row. Equal options are allowed, and are right or wrong together (see
 * docs/tasks.md).
 */
function checkChoices(row: Row, choices: readonly string[]): void {
  const different = new Set(choices).size;
  const complaint =
    choices.length < 2 || choices.length > LETTERS.length
      ? `from 2 to ${LETTERS.length} options, got ${choices.length}`
      : choices.includes("")
        ? "options that say something, got an empty one"
        : different === 1
          ? `options that differ, got \`${choices[0]}\` ${choices.length} times`
          : undefined;
  if (complaint !== undefined) throw row.invalid(`expected ${complaint}`);
}

/** Refuses a text that a row calls both right and wrong. */
function checkWrong(row: Row, choices: readonly string[], right: readonly number[]): void {
  const both = right
    .map((place) => choices[place])
    .find((text) => choices.some((choice, i) => choice === text && !right.includes(i)));
  if (both === undefined) return;
  throw row.invalid(`expected options that are right or wrong, got \`${both}\` as both`);
}

/**
 * Returns the index of the option that the answer names. An answer that could name two different options is
 * refused.
 */
function indexOfAnswer(
  row: Row,
  { choices, labels, mayBeOther = false }: Options,
  { columns, by, first }: Pick<ChoicesOptions, "columns" | "by" | "first">,
): number {
  const column = needColumn(row, "answer", columns);
  const answer = answerIn(row, column, choices);
  const bare = answer.replace(/^\((.+)\)$/, "$1");
  // If the options are lettered columns, an answer's letter is that of its column, even if another column is
  // empty.
  const isLettered =
    labels !== undefined && !mayBeOther && labels.every((label) => /^[A-Z]$/.test(label));
  const found: Record<AnswerKind, number> = {
    label: labels?.indexOf(isLettered && /^[a-z]$/.test(bare) ? bare.toUpperCase() : bare) ?? -1,
    letter: /^[A-Za-z]$/.test(bare) && !isLettered ? LETTERS.indexOf(bare.toUpperCase()) : -1,
    number: /^\d+(?:\.0)?$/.test(bare) ? Number(bare) - (first ?? 0) : -1,
    text: choices.indexOf(answer),
  };
  if (by === "letter" && isLettered) found.letter = found.label;
  const isThere = (kind: AnswerKind) => found[kind] >= 0 && found[kind] < choices.length;
  // An answer that fits several kinds is a number if `first` is given, and otherwise a label if the options
  // have labels.
  const isNumber = first !== null && isThere("number");
  const isLabel = !mayBeOther && isThere("label");
  const meant = by ?? (isNumber ? "number" : isLabel ? "label" : undefined);
  const named = ANSWER_KINDS.filter((kind) => (meant ?? kind) === kind && isThere(kind));
  const places = [...new Set(named.map((kind) => found[kind]))];
  const [place] = places;
  if (place !== undefined && places.length === 1) return place;
  const shown = `\`${answer.slice(0, 100)}\``;
  const meanings = named.map((kind) => `${LETTERS[found[kind]]} as a ${kind}`).join(" and ");
  throw row.invalid(
    place === undefined
      ? `expected \`${column}\` to name one of ${choices.length} options, got ${shown}`
      : `expected \`${column}\` to name one option, got ${shown}, which is ${meanings}`,
    place === undefined
      ? "a letter, an option's text, or a number from 0; first=1 before the file where they count from 1"
      : `by=${named.join(" or by=")} before the file`,
  );
}

/** Returns the answer as a text. For true or false it is the option that says so. */
function answerIn(row: Row, column: string, choices: readonly string[]): string {
  const value = row.fields[column];
  if (typeof value !== "boolean") return row.scalar(column).trim();
  const words = value ? ["yes", "true"] : ["no", "false"];
  const named = choices.filter((choice) => words.includes(choice.toLowerCase()));
  if (named.length === 1) return named[0] as string;
  return row.refuse(
    column,
    `name an option, got ${value}`,
    "labels=no,yes before the file, or answers:FILE",
  );
}

/** Parses the settings `by`, `first` and `labels` of a task's name. Throws `ERR_INVALID_OPTION`. */
export function parseAnswerKind({
  by,
  first,
  labels,
}: Readonly<Record<string, string>>): Pick<ChoicesOptions, "by" | "first" | "labels"> {
  return {
    by: by === undefined ? null : checkOneOf("by", by, ANSWER_KINDS),
    labels: labels === undefined ? null : labels.split(",").map((label) => label.trim()),
    first: first === undefined ? null : Number(checkOneOf("first", first, ["0", "1"])),
  };
}
