/** A task from its essentials. */
import { checkAnswerEnd } from "../chain/answer-end.js";
import {
  checkBoolean,
  checkFunction,
  checkKeys,
  checkOneOf,
  checkSignal,
  checkString,
  optional,
} from "../engine/check.js";
import { LlamaEtsError } from "../engine/errors.js";
import { canonicalAnswer } from "../rewards/answer.js";
import { type Row, readRows } from "./rows.js";
import {
  GRADING_MODES,
  type Grader,
  type GradingMode,
  type LoadOptions,
  type Task,
  type TaskItem,
} from "./task.js";

/** What a task can't do without; the rest has defaults. */
export interface TaskDefinition
  extends Pick<Task, "name" | "extract">,
    Partial<Pick<Task, "answerEnd" | "prompt" | "openGrader" | "runsCode" | "rowKey">> {
  /** An item of the data file. `row`'s readers throw with file, line and field. */
  parse(row: Row): TaskItem;
  /** The data file when none is given; without it, one must be. */
  locate?(options: LoadOptions): string | Promise<string>;
  /** Whether an answer is the item's. Default: equal in canonical form, numbers by value. */
  isCorrect?(answer: string, item: TaskItem): boolean | Promise<boolean>;
}

/**
 * A task from its essentials.
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
  const { name, extract, answerEnd, prompt, openGrader, runsCode, rowKey } = definition;
  const isCorrect =
    definition.isCorrect ??
    ((answer: string, { gold }: TaskItem) => canonicalAnswer(answer) === canonicalAnswer(gold));
  const locate = definition.locate ?? (() => refuseWithoutData(name));
  return {
    name,
    extract,
    ...(answerEnd && { answerEnd }),
    ...(runsCode && { runsCode }),
    ...(rowKey !== undefined && { rowKey }),
    async load(file, options = {}) {
      optional(checkString, "file", file);
      checkKeys("options", options, ["onProgress", "signal"]);
      optional(checkFunction, "onProgress", options.onProgress);
      optional(checkSignal, "signal", options.signal);
      const items = new Map<string, TaskItem>();
      for await (const row of readRows(file ?? (await locate(options)))) {
        const item = { ...definition.parse(row), row: row.fields };
        if (items.has(item.id)) row.refuse("id", `be unique, got ${item.id} again`);
        items.set(item.id, item);
      }
      return [...items.values()];
    },
    prompt: prompt ?? ((item) => ({ prompt: item.prompt, raw: false, stop: [] })),
    async openGrader(options = {}) {
      checkKeys("options", options, ["mode", "allowCodeExecution", "signal"]);
      optional(checkMode, "mode", options.mode);
      optional(checkBoolean, "allowCodeExecution", options.allowCodeExecution);
      optional(checkSignal, "signal", options.signal);
      return openGrader?.(options) ?? answerGrader(extract, isCorrect);
    },
  };
}

function checkDefinition(definition: TaskDefinition): void {
  checkKeys("definition", definition, [
    ...["name", "extract", "parse", "answerEnd", "prompt", "openGrader", "runsCode"],
    "rowKey",
    ...["locate", "isCorrect"],
  ]);
  checkString("name", definition.name);
  checkFunction("extract", definition.extract);
  checkFunction("parse", definition.parse);
  optional(checkAnswerEnd, "answerEnd", definition.answerEnd);
  optional(checkFunction, "prompt", definition.prompt);
  optional(checkFunction, "openGrader", definition.openGrader);
  optional(checkBoolean, "runsCode", definition.runsCode);
  optional(checkString, "rowKey", definition.rowKey);
  optional(checkFunction, "locate", definition.locate);
  optional(checkFunction, "isCorrect", definition.isCorrect);
}

function checkMode(name: string, mode: GradingMode): GradingMode {
  return checkOneOf(name, mode, GRADING_MODES);
}

function refuseWithoutData(name: string): never {
  throw new LlamaEtsError("ERR_INVALID_OPTION", `The task ${name} needs a data file`, {
    fix: "--data FILE, a .jsonl, .jsonl.gz or .csv file",
  });
}

/** Finds the answer, and compares it. */
export function answerGrader(
  extract: Task["extract"],
  isCorrect: (answer: string, item: TaskItem) => boolean | Promise<boolean>,
): Grader {
  return {
    async grade(item, text, form = "output") {
      const extracted = form === "answer" ? text : extract(text, item);
      return { extracted, correct: extracted !== null && (await isCorrect(extracted, item)) };
    },
    async [Symbol.asyncDispose]() {},
  };
}
