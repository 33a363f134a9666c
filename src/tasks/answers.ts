/**
 * Any questions with short answers: `answers:FILE`. A row has a question and its answer, or a list of
 * answers that are all right.
 */
import { extractAnswer } from "../rewards/answer.js";
import { type Columns, idOf, listIn, needColumn } from "./columns.js";
import { invalidLine } from "./data-lines.js";
import { answerGrader, defineTask } from "./define-task.js";
import { isEqual, NUMBER, parseRational, plainNumbers } from "./numbers.js";
import { withoutThoughts } from "./outputs.js";
import type { PromptForm, Task, TaskItem, TaskPrompt } from "./task.js";

/** A longer line that states no answer is prose. */
const MAX_ANSWER = 200;

export interface AnswersOptions {
  columns: Columns;
  /** A prompt's template; null: the question. */
  template: string | null;
  /** The data file where none is named. */
  file: string | undefined;
}

export function answersTask(name: string, { columns, template, file }: AnswersOptions): Task {
  return defineTask({
    name,
    extract: extractShort,
    ...(file !== undefined && { dataFile: file }),
    ...(template === null ? { prompt: ask } : { template }),
    parse(row) {
      const column = needColumn(row, "answer", columns);
      const golds = listIn(row.fields[column]) ?? [row.scalar(column)];
      const texts = golds.map((gold) => gold.trim().replace(/\s*\n\s*/g, " "));
      if (texts.length === 0 || texts.includes("")) {
        throw invalidLine(row.file, row.line, `expected \`${column}\` to hold an answer`);
      }
      return {
        id: idOf(row, "answers", columns),
        prompt: row.text(needColumn(row, "question", columns)).trim(),
        gold: [...new Set(texts)].join("\n"),
      };
    },
    openGrader: async ({ mode = "fair" } = {}) =>
      mode === "fair" ? answerGrader(extractShort, isSame) : answerGrader(trimmed, isSameText),
  });
}

function ask({ prompt }: TaskItem, form: PromptForm): TaskPrompt {
  if (form === "paper") return { prompt: `Question: ${prompt}\nAnswer:`, raw: true, stop: ["\n"] };
  const how = "End with a line `The answer is X`, X being the answer alone.";
  return { prompt: `${prompt}\n\n${how}`, raw: false, stop: [] };
}

/** What is said to be the answer; of one line that says nothing of it, the line. */
function extractShort(output: string): string | null {
  const text = withoutThoughts(output)
    .replace(/\*\*|__|`/g, "")
    .trim();
  const isOneLine = !text.includes("\n") && text.length <= MAX_ANSWER;
  if (isOneLine && !/####|\\boxed|\banswer\b/i.test(text)) return text === "" ? null : text;
  return extractAnswer(text);
}

/** One of the right answers, or all of them: as a number by its value, else the same words. */
function isSame(answer: string, { gold }: TaskItem): boolean {
  if (answer.trim() === gold) return true;
  return gold.split("\n").some((right) => {
    const value = parseRational(right.replace(/,(?=\d{3}\b)/g, ""));
    return value === null ? words(answer) === words(right) : isNumber(answer, value);
  });
}

/** Whether the one number of a text is this one; units may stand beside it. */
function isNumber(answer: string, value: NonNullable<ReturnType<typeof parseRational>>): boolean {
  const numbers = plainNumbers(answer).match(new RegExp(NUMBER, "giu")) ?? [];
  const [only] = numbers;
  const found = numbers.length === 1 && only !== undefined ? parseRational(only) : null;
  return found !== null && isEqual(found, value);
}

/** Without case, quotes, an article and the signs at the ends. */
function words(text: string): string {
  return text
    .normalize("NFKC")
    .toLowerCase()
    .replace(/["\u2018-\u201f]/g, "")
    .replace(/^[\s.,;:!?]+|[\s.,;:!?]+$/g, "")
    .replace(/^(?:the|an?)\s+/, "")
    .replace(/\s+/g, " ");
}

function trimmed(text: string): string {
  return text.trim();
}

/** As lm-evaluation-harness's `exact_match` without filters. */
function isSameText(answer: string, { gold }: TaskItem): boolean {
  return gold.split("\n").includes(answer.trim());
}
