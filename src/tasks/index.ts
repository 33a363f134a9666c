/** The tasks by name. */
import { checkOneOf, checkString } from "../engine/check.js";
import { LlamaEtsError, whyUnreadable } from "../engine/errors.js";
import { readTextFile } from "../engine/read-file.js";
import { aime } from "./aime.js";
import { answersTask, parseSeveral } from "./answers.js";
import { choicesTask, parseAnswerKind } from "./choices.js";
import { parseTaskSpec, specName } from "./columns.js";
import { humanevalPlus, mbppPlus } from "./evalplus.js";
import { gpqa } from "./gpqa.js";
import { gsm8k } from "./gsm8k.js";
import { humaneval } from "./humaneval.js";
import { ifeval } from "./ifeval.js";
import { math500 } from "./math500.js";
import { miniGsm } from "./mini-gsm.js";
import { loadTaskModule } from "./module.js";
import type { Task } from "./task.js";

const TASKS: readonly Task[] = [
  miniGsm,
  gsm8k,
  math500,
  aime,
  gpqa,
  humaneval,
  humanevalPlus,
  mbppPlus,
  ifeval,
];
const MODULE = "module:";

/** The tasks for any file, with the settings that may stand between the name and the file. */
const OF_FILES = {
  choices: ["question", "context", "choices", "answer", "id", "by", "first", "labels", "template"],
  answers: ["question", "context", "answer", "id", "several", "template"],
} as const;

/** Returns the names of the built-in tasks. */
export function taskNames(): string[] {
  return [...TASKS.map(({ name }) => name), ...Object.keys(OF_FILES)];
}

/** Returns whether a name is that of a built-in task that is known without opening a file. */
export function isBuiltIn(name: string): boolean {
  const [kind = "", ...settings] = name.split(":");
  return taskNames().includes(kind) && !settings.some((setting) => setting.startsWith("template="));
}

/** The forms of a task's name, for help texts. */
export const TASK_SPECS = `${TASKS.map(({ name }) => name).join(", ")}, choices:FILE, answers:FILE or ${MODULE}FILE`;

/**
 * Finds a task by its name, or by `module:FILE`, `choices:FILE` or `answers:FILE`. Columns with unusual names
 * stand before the file (`answers:question=Frage:FILE`). Throws `ERR_INVALID_OPTION` for an unknown name and
 * for a module without a task.
 */
export async function findTask(name: string): Promise<Task> {
  if (checkString("task", name).startsWith(MODULE))
    return loadTaskModule(name.slice(MODULE.length));
  const [kind, rest] = [name.replace(/:.*/s, ""), name.replace(/^[^:]*:?/, "")];
  if (kind === "choices" || kind === "answers") return taskOfFile(kind, rest);
  checkOneOf("task", name, [...taskNames(), `${MODULE}FILE`]);
  return TASKS.find((task) => task.name === name) as Task;
}

async function taskOfFile(kind: keyof typeof OF_FILES, rest: string): Promise<Task> {
  const { settings, file } = parseTaskSpec(kind, rest, OF_FILES[kind]);
  const { by, first, labels, several, template: templateFile, ...columns } = settings;
  const template = templateFile === undefined ? null : await readTemplate(templateFile);
  const name = specName(kind, settings);
  return kind === "choices"
    ? choicesTask(name, { columns, ...parseAnswerKind(settings), template, file })
    : answersTask(name, { columns, several: parseSeveral(several), template, file });
}

async function readTemplate(file: string): Promise<string> {
  try {
    return await readTextFile(file);
  } catch (error) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `The prompt's template ${file} could not be read: ${whyUnreadable(error)}`,
      { cause: error, fix: "the path of a file with a Jinja template" },
    );
  }
}
