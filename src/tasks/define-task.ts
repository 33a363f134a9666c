/** Builds a task from its essential parts. */
import { checkAnswerEnd } from "../chain/answer-end.js";
import {
  checkBoolean,
  checkFunction,
  checkInteger,
  checkKeys,
  checkOneOf,
  checkSignal,
  checkString,
  checkStrings,
  optional,
  refuse,
} from "../engine/check.js";
import { LlamaEtsError, messageOf } from "../engine/errors.js";
import { canonicalAnswer } from "../rewards/answer.js";
import { type Row, readRows } from "./rows.js";
import {
  GRADING_MODES,
  type Grader,
  type GradingMode,
  LETTERS,
  type LoadOptions,
  type Task,
  type TaskItem,
  type TaskPrompt,
} from "./task.js";

/** The essential parts of a task. All other parts have defaults. */
export interface TaskDefinition
  extends Pick<Task, "name" | "extract">,
    Partial<
      Pick<
        Task,
        "answerEnd" | "prompt" | "openGrader" | "runsCode" | "isWhole" | "rowKey" | "dataFile"
      >
    > {
  /** Parses an item of the data file. The readers of `row` throw errors with file, line and field. */
  parse(row: Row): TaskItem;
  /** Finds the default data file. Without this function the user must name a file. */
  locate?(options: LoadOptions): string | Promise<string>;
  /**
   * Replaces `prompt` by a Jinja template with the fields of an item's row, and with `question`, `choices`
   * and `letters`. The result is a chat message, or with `raw` the text that the model continues.
   */
  template?: string | TemplateOptions;
  /**
   * Returns whether an answer is right. Default: equality in canonical form, with numbers compared by value.
   */
  isCorrect?(answer: string, item: TaskItem): boolean | Promise<boolean>;
}

/** A Jinja prompt with the fields of a row. */
export interface TemplateOptions extends Partial<Pick<TaskPrompt, "raw" | "stop" | "maxTokens">> {
  /** Jinja source. */
  text: string;
}

/**
 * Builds a task from its essential parts.
 *
 * @example
 * export default defineTask({
 *   name: "capitals",
 *   parse: (row) => ({ id: row.text("country"), prompt: row.text("country"), gold: row.text("capital") }),
 *   extract: (text) => text.trim().split(/\s+/).at(-1) ?? null,
 * });
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`
 */
export function defineTask(definition: TaskDefinition): Task {
  checkDefinition(definition);
  const { name, extract, answerEnd, openGrader, runsCode, isWhole, rowKey, dataFile } = definition;
  const template = templateOf(definition);
  const isCorrect =
    definition.isCorrect ??
    ((answer: string, { gold }: TaskItem) => canonicalAnswer(answer) === canonicalAnswer(gold));
  const locate = definition.locate ?? (() => dataFile ?? refuseWithoutData(name));
  return {
    name,
    extract,
    ...(answerEnd && { answerEnd }),
    ...(runsCode && { runsCode }),
    ...(isWhole && { isWhole }),
    ...(rowKey !== undefined && { rowKey }),
    ...(dataFile !== undefined && { dataFile }),
    async load(file, options = {}) {
      optional(checkString, "file", file);
      checkKeys("options", options, ["download", "onProgress", "signal"]);
      optional(checkBoolean, "download", options.download);
      optional(checkFunction, "onProgress", options.onProgress);
      optional(checkSignal, "signal", options.signal);
      const items = new Map<string, TaskItem>();
      for await (const row of readRows(file ?? (await locate(options)), options.signal)) {
        const parsed = { ...definition.parse(row), row: row.fields };
        const item = template === null ? parsed : await asked(parsed, template.text, row);
        if (items.has(item.id)) {
          row.refuse("id", `be unique, got ${item.id} again`, UNIQUE);
        }
        items.set(item.id, item);
      }
      return [...items.values()];
    },
    prompt: promptOf(definition, template),
    async openGrader(options = {}) {
      checkKeys("options", options, ["mode", "allowCodeExecution", "signal"]);
      optional(checkMode, "mode", options.mode);
      optional(checkBoolean, "allowCodeExecution", options.allowCodeExecution);
      optional(checkSignal, "signal", options.signal);
      return openGrader?.(options) ?? answerGrader(extract, isCorrect);
    },
  };
}

const UNIQUE =
  "a name of its own for each row; before the file of `choices` or `answers` id=NAME, or id=- for the row's number";

function templateOf({ template }: TaskDefinition): TemplateOptions | null {
  if (template === undefined) return null;
  return typeof template === "string" ? { text: template } : template;
}

/**
 * Returns the task's prompt function. An item that doesn't come from a file, such as a question of `ask`, is
 * not put into the template.
 */
function promptOf({ prompt }: TaskDefinition, template: TemplateOptions | null): Task["prompt"] {
  if (template === null) {
    return prompt ?? ((item) => ({ prompt: item.prompt, raw: false, stop: [] }));
  }
  const { raw = false, stop = [], maxTokens } = template;
  return (item) => ({
    prompt: item.asked ?? item.prompt,
    raw,
    stop: [...stop],
    ...(maxTokens !== undefined && { maxTokens }),
  });
}

/** Returns the item with its rendered prompt. Rendering is limited in time and memory. */
async function asked(item: TaskItem, template: string, row: Row): Promise<TaskItem> {
  const { defaultRenderer } = await import("../engine/chat/render.js");
  const render = await defaultRenderer();
  const { prompt, choices = [] } = item;
  const own = { question: prompt, choices, letters: LETTERS.slice(0, choices.length) };
  try {
    const text = await render(template, { ...row.fields, ...own });
    if (text.trim() !== "") return { ...item, asked: text };
    throw new Error("its text is empty");
  } catch (error) {
    throw row.invalid(`the prompt's template fails: ${messageOf(error)}`);
  }
}

function checkDefinition(definition: TaskDefinition): void {
  checkKeys("definition", definition, [
    "name",
    "extract",
    "parse",
    "answerEnd",
    "prompt",
    "openGrader",
    "runsCode",
    "rowKey",
    "dataFile",
    "isWhole",
    "template",
    "locate",
    "isCorrect",
  ]);
  checkString("name", definition.name);
  checkFunction("extract", definition.extract);
  checkFunction("parse", definition.parse);
  optional(checkAnswerEnd, "answerEnd", definition.answerEnd);
  optional(checkFunction, "prompt", definition.prompt);
  optional(checkFunction, "openGrader", definition.openGrader);
  optional(checkBoolean, "runsCode", definition.runsCode);
  optional(checkBoolean, "isWhole", definition.isWhole);
  optional(checkString, "rowKey", definition.rowKey);
  optional(checkString, "dataFile", definition.dataFile);
  optional(checkPromptTemplate, "template", definition.template);
  if (definition.template !== undefined && definition.prompt !== undefined) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "Expected `prompt` or `template`, got both");
  }
  optional(checkFunction, "locate", definition.locate);
  optional(checkFunction, "isCorrect", definition.isCorrect);
}

function checkPromptTemplate(name: string, template: string | TemplateOptions): void {
  if (typeof template === "string") {
    if (template.trim() === "") refuse(name, "Jinja source", template);
    return;
  }
  checkKeys(name, template, ["text", "raw", "stop", "maxTokens"]);
  if (checkString(`${name}.text`, template.text).trim() === "") {
    refuse(`${name}.text`, "Jinja source", template.text);
  }
  optional(checkBoolean, `${name}.raw`, template.raw);
  optional(checkStrings, `${name}.stop`, template.stop);
  optional(
    (option, value: number) => checkInteger(option, value, 1, 2 ** 24),
    `${name}.maxTokens`,
    template.maxTokens,
  );
}

function checkMode(name: string, mode: GradingMode): GradingMode {
  return checkOneOf(name, mode, GRADING_MODES);
}

function refuseWithoutData(name: string): never {
  throw new LlamaEtsError("ERR_INVALID_OPTION", `The task ${name} needs a data file`, {
    fix: "--data FILE, a .jsonl, .json, .csv, .tsv or .parquet file",
  });
}

/** Creates a grader that extracts the answer and compares it. */
export function answerGrader(
  extract: Task["extract"],
  isCorrect: (answer: string, item: TaskItem) => boolean | Promise<boolean>,
  wantedGold?: NonNullable<Grader["wantedGold"]>,
): Grader {
  return {
    ...(wantedGold && { wantedGold }),
    async grade(item, text, form = "output") {
      const extracted = form === "answer" ? text : extract(text, item);
      return { extracted, correct: extracted !== null && (await isCorrect(extracted, item)) };
    },
    async [Symbol.asyncDispose]() {},
  };
}
