/**
 * The task `answers:FILE`: any questions with short answers. A row has a question and its answer, or a list
 * of alternative right answers.
 */
import { checkOneOf } from "../engine/check.js";
import { extractAnswer } from "../rewards/answer.js";
import { type Columns, entriesIn, fieldsIn, idOf, needColumn, questionOf } from "./columns.js";
import { answerGrader, defineTask } from "./define-task.js";
import { isEqual, NUMBER, parseRational, plainNumbers } from "./numbers.js";
import { withoutThoughts } from "./outputs.js";
import type { Row } from "./rows.js";
import type { PromptForm, Task, TaskItem, TaskPrompt } from "./task.js";

/** The maximum length of a bare answer in characters. A longer line that doesn't state an answer is prose. */
const MAX_ANSWER = 200;
/**
 * The reference answers of questions that their text doesn't answer, and of questions with the answer yes or
 * no.
 */
const UNANSWERABLE = "unanswerable";
const TRUE = "yes\ntrue";
const FALSE = "no\nfalse";
const HINT = "Where the text doesn't say it, the answer is `unanswerable`.";

const SEVERAL = ["any", "all"] as const;
type Several = (typeof SEVERAL)[number];

export interface AnswersOptions {
  columns: Columns;
  /** Whether each of a row's answers is right, or only all together. Null if the form of the data decides. */
  several: Several | null;
  /** The template of prompts; null if the prompt is the question. */
  template: string | null;
  /** The default data file. */
  file: string | undefined;
}

/** Checks the setting `several` of a task's name. Throws `ERR_INVALID_OPTION`. */
export function parseSeveral(several: string | undefined): Several | null {
  return several === undefined ? null : checkOneOf("several", several, SEVERAL);
}

export function answersTask(
  name: string,
  { columns, several, template, file }: AnswersOptions,
): Task {
  const isRight = several === "all" ? namesAll : isSame;
  const task = defineTask({
    name,
    extract: extractShort,
    ...(file !== undefined && { dataFile: file }),
    ...(template === null ? { prompt: ask } : { template }),
    parse(row) {
      const column = needColumn(row, "answer", columns);
      return {
        id: idOf(row, "answers", columns),
        prompt: questionOf(row, template === null ? columns : { ...columns, context: "-" }),
        gold: goldOf(row, column, several),
      };
    },
    openGrader: async ({ mode = "fair" } = {}) =>
      mode === "fair"
        ? answerGrader(extractShort, isRight)
        : answerGrader(trimmed, several === "all" ? namesAll : isSameText),
  });
  return { ...task, load: async (...where) => withHint(await task.load(...where)) };
}

/**
 * If any question of the file has no answer, adds the hint about this to all questions. A hint on only some
 * of them would give the answer away.
 */
function withHint(items: TaskItem[]): TaskItem[] {
  if (!items.some(({ gold }) => gold === UNANSWERABLE)) return items;
  return items.map((item) => ({ ...item, prompt: `${item.prompt}\n\n${HINT}` }));
}

/** Returns the right answers of a row, one per line. */
function goldOf(row: Row, column: string, several: Several | null): string {
  const value = row.fields[column];
  const fields = fieldsIn(value);
  if (row.fields.is_impossible === true || entriesIn(fields?.text)?.length === 0) {
    return UNANSWERABLE;
  }
  const golds = [...new Set(goldsIn(row, column, fields ?? value).map(statedIn))];
  if (golds.length === 0 || golds.includes("")) {
    throw row.invalid(`expected \`${column}\` to hold an answer`);
  }
  if (fields?.spans !== undefined && golds.length > 1 && several === null) {
    throw row.invalid(
      `expected \`${column}\` to hold one answer, got ${golds.length}`,
      "several=all before the file where an answer must name them all, several=any where each is right",
    );
  }
  return golds.join("\n");
}

/**
 * Returns the answers in a value: a text, a number, true or false, a list of these, or an object with them as
 * in SQuAD, TriviaQA and DROP.
 */
function goldsIn(row: Row, column: string, value: unknown): string[] {
  if (typeof value === "boolean") return [value ? TRUE : FALSE];
  const list = entriesIn(value);
  if (list !== undefined) return list.flatMap((entry) => goldsIn(row, column, entry));
  const fields = fieldsIn(value);
  if (fields !== undefined) {
    const inner = [fields.text, fields.value, fields.aliases, fields.spans];
    const found = inner.filter((entry) => entry !== undefined);
    if (found.length > 0) return found.flatMap((entry) => goldsIn(row, column, entry));
    return row.refuse(
      column,
      `hold a text, or an object with text, value or spans`,
      "answer=NAME before the file",
    );
  }
  if (typeof value === "string") return [value];
  if (typeof value !== "number") {
    return row.refuse(column, "hold an answer: a text, a number, true, false or a list of them");
  }
  return [value === row.fields[column] ? row.scalar(column) : String(value)];
}

/**
 * Returns a reference answer on one line. For a worked solution (`#### 18`, `\boxed{18}`) it is the stated
 * answer.
 */
function statedIn(gold: string): string {
  const isSolution = /(?:^|\n)[^\S\n]*####|\\boxed\{/.test(gold);
  const text = (isSolution ? extractAnswer(gold) : null) ?? gold;
  return text === TRUE || text === FALSE ? text : text.trim().replace(/\s*\n\s*/g, " ");
}

function ask({ prompt, gold }: TaskItem, form: PromptForm): TaskPrompt {
  if (form === "paper") return { prompt: `Question: ${prompt}\nAnswer:`, raw: true, stop: ["\n"] };
  const what = gold === TRUE || gold === FALSE ? "yes or no" : "the answer alone";
  const how = `End with a line \`The answer is X\`, X being ${what}.`;
  return { prompt: `${prompt}\n\n${how}`, raw: false, stop: [] };
}

/** Returns the stated answer of an output, or the whole output if it is one line without a statement. */
function extractShort(output: string, item?: TaskItem): string | null {
  const text = withoutThoughts(output)
    .replace(/\*\*|__|`/g, "")
    .trim();
  const isStated = /####|\\boxed|\banswer\b/i.test(text);
  const [first = ""] = text.split("\n", 1);
  const isYesOrNo = item?.gold === TRUE || item?.gold === FALSE;
  if (isYesOrNo && !isStated && truthOf(first, false) !== null) return first;
  if (first === text && text.length <= MAX_ANSWER && !isStated) return text === "" ? null : text;
  return extractAnswer(text);
}

/**
 * Returns whether an answer equals one of the right answers. Numbers are compared by value, other answers by
 * their words.
 */
function isSame(answer: string, { gold }: TaskItem): boolean {
  if (answer.trim() === gold) return true;
  if (gold === UNANSWERABLE) return NO_ANSWER.test(words(answer));
  return gold.split("\n").some((right) => isOne(answer, right));
}

const NO_ANSWER =
  /^(?:(?:question |it )?(?:is )?unanswerable|(?:question |it )?(?:cannot|can'?t|can not) be answered|(?:there is )?no answer|not answerable|none|unknown|not (?:stated|given|mentioned|specified)|text (?:doesn'?t|does not) say(?: it| so)?)$/;

function isOne(answer: string, right: string): boolean {
  const truth = truthOf(right, true);
  if (truth !== null) return truthOf(answer, false) === truth;
  const value = parseRational(right.replace(/,(?=\d{3}\b)/g, ""));
  return value === null ? words(answer) === words(right) : isNumber(answer, value);
}

/**
 * Returns the truth value of yes, no, true or false, also at the beginning of a sentence; null for other
 * texts.
 */
function truthOf(text: string, isAlone: boolean): boolean | null {
  const [, word, rest = ""] = /^(yes|true|no|false)\b(.*)$/s.exec(words(text)) ?? [];
  if (word === undefined || (isAlone && rest !== "")) return null;
  if (
    rest !== "" &&
    !/^(?:[,;:.!\u2013\u2014]\s|\s+(?:[(\u2013\u2014-]|because|since)\b)/.test(rest)
  )
    return null;
  return word === "yes" || word === "true";
}

/** Returns whether an answer names all right answers in any order, and nothing else. */
function namesAll(answer: string, item: TaskItem): boolean {
  const golds = item.gold.split("\n");
  if (golds.length === 1 || answer.trim() === item.gold) return isSame(answer, item);
  let left = ` ${listed(answer)} `;
  for (const gold of golds.map(listed).toSorted((a, b) => b.length - a.length)) {
    if (!left.includes(` ${gold} `)) return false;
    left = left.replace(` ${gold} `, " , ");
  }
  return /^[\s,]*$/.test(left.replace(/\band\b|&/g, ","));
}

/** As `words`, with the separators between list entries as separate words. */
function listed(text: string): string {
  return words(text)
    .replace(/[,;\n]/g, " , ")
    .replace(/\s+/g, " ");
}

/** Returns whether a text has exactly one number, which equals `value`. Units may stand beside it. */
function isNumber(answer: string, value: NonNullable<ReturnType<typeof parseRational>>): boolean {
  const numbers = plainNumbers(answer).match(new RegExp(NUMBER, "giu")) ?? [];
  const [only] = numbers;
  const found = numbers.length === 1 && only !== undefined ? parseRational(only) : null;
  return found !== null && isEqual(found, value);
}

/** Normalizes a text: removes case, quotes, an article and the signs at both ends. */
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

/** Compares texts as lm-evaluation-harness's `exact_match` without filters. */
function isSameText(answer: string, { gold }: TaskItem): boolean {
  return gold.split("\n").includes(answer.trim());
}
