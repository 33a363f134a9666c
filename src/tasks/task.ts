/** The interface of a task: its problems, their prompts, and the grading of answers. */
import type { AnswerEnd } from "../chain/answer-end.js";
import type { ChatMessage } from "../engine/chat/messages.js";
import { checkArray, checkBoolean, checkObject, checkStrings, refuse } from "../engine/check.js";
import { LlamaEtsError } from "../engine/errors.js";
import { frozenCopy } from "../engine/frozen-copy.js";
import type { AnswerOptions } from "../rewards/answer.js";

/** One problem with its reference answer. */
export interface TaskItem {
  /** A unique id within the task, which is the same at every load. */
  id: string;
  /** The question from the data file. */
  prompt: string;
  /** The reference answer. For tasks that run code it is the tests of a program. */
  gold: string;
  /** The options of a multiple-choice question, in the shown order: A, B, C, … */
  choices?: readonly string[];
  /** The function that a program must define, for tasks that run code. */
  entryPoint?: string;
  /** The prompt that the task's template renders; absent without a template. */
  asked?: string;
  /** The tests of a program, if `gold` is a program that passes them. */
  tests?: string;
  /** All fields of the item's row, which rewards and potentials see. `load` fills it in. */
  row?: Readonly<Record<string, unknown>>;
}

/** The letters of a question's options, in their order. */
export const LETTERS: readonly string[] = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"];

export const PROMPT_FORMS = ["chat", "paper"] as const;

/** A chat question, or the raw few-shot text of the published evaluations. */
export type PromptForm = (typeof PROMPT_FORMS)[number];

/** The prompt of an item. */
export interface TaskPrompt {
  prompt: string | ChatMessage[];
  /** Whether a string prompt goes to the model as it is, without a chat template. */
  raw: boolean;
  /** Strings that end the answer. */
  stop: string[];
  /** The maximum answer length in tokens of the published evaluations. */
  maxTokens?: number;
}

export const GRADING_MODES = ["fair", "compat"] as const;

/**
 * `fair` grades whether the answer is right. `compat` grades as lm-evaluation-harness and the paper's code
 * do, including their misjudgements, for comparable numbers.
 */
export type GradingMode = (typeof GRADING_MODES)[number];

/** How a grader grades, and what it may do. */
export interface GraderOptions {
  /** Default "fair". */
  mode?: GradingMode;
  /** Lets tasks that need it run generated programs, in a sandbox. Default false. */
  allowCodeExecution?: boolean;
  /** Aborting rejects running grades with the signal's reason. */
  signal?: AbortSignal;
}

/** A grader's verdict on a text. */
export interface Verdict {
  /** The answer found in the text; `null` if there is none. */
  extracted: string | null;
  correct: boolean;
  /** How a program ended, for tasks that run code. */
  result?: "pass" | "fail" | "timeout" | "blocked";
  /** The reason for the grade, if the answer and the reference don't show it. */
  reason?: string;
  /** From 0 to 1, for answers that may be partly right. */
  score?: number;
  /** Scores of the answer's parts by category, from 0 to 1. */
  categories?: Record<string, number>;
  /** IFEval: which instructions the text follows by the strict rules, and which by the loose rules. */
  strict?: boolean[];
  loose?: boolean[];
}

/** Grades texts. It must be disposed, since it may hold processes. */
export interface Grader extends AsyncDisposable {
  /** A description of how programs run and are confined; absent for tasks without code. */
  readonly isolation?: string;
  /** Grades a model's whole output, or an answer that was already extracted. Calls may run concurrently. */
  grade(item: TaskItem, text: string, form?: "output" | "answer"): Promise<Verdict>;
  /**
   * Returns what an item's reference answer must be if this grader can't read it, such as "be a number", and
   * otherwise `null`. Default: the grader can read every one.
   */
  wantedGold?(item: TaskItem): string | null;
}

/** How a task's data file is downloaded if it is missing. */
export interface LoadOptions {
  /** Whether the task's own data file may be downloaded if it is missing. Default true. */
  download?: boolean;
  /** Called during a download. Sizes are in bytes; `total` is 0 if unknown. */
  onProgress?: (progress: { received: number; total: number }) => void;
  /** Aborting rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** A kind of problem: the source of its items, their prompts and their grading. */
export interface Task {
  readonly name: string;
  /** Whether grading runs generated programs, by the tests of the task's own data. */
  readonly runsCode?: boolean;
  /**
   * Whether an answer is the whole text, so that no two answers are equal and votes are useless. Default
   * false.
   */
  readonly isWhole?: boolean;
  /** The file of the items, if the task's name contains one. */
  readonly dataFile?: string;
  /**
   * The field of rows to grade that names an item of the task's own data. Default: rows can't name items this
   * way.
   */
  readonly rowKey?: string;
  /** Finds the answer in a text. `item` is needed if answers may quote its choices. */
  extract(text: string, item?: TaskItem): string | null;
  /**
   * Where a text's answer ends. `extract` must find the same answer in the text before this end. Rollouts
   * stop there. Default: the whole text counts.
   */
  readonly answerEnd?: AnswerEnd;
  /**
   * Reads the items of a file, by default the bundled or downloaded one. Throws `ERR_INVALID_DATA`
   * on the first bad row, naming file, line and field.
   */
  load(file?: string, options?: LoadOptions): Promise<TaskItem[]>;
  prompt(item: TaskItem, form: PromptForm): TaskPrompt;
  openGrader(options?: GraderOptions): Promise<Grader>;
}

/**
 * Loads the items of a task and freezes them, so that a function of the task that changes an item fails.
 *
 * @throws LlamaEtsError as the task's `load` does
 */
export async function loadItems(
  task: Task,
  file: string | undefined,
  options: LoadOptions,
): Promise<TaskItem[]> {
  return checkArray("load()", await task.load(file, options)).map(frozenCopy);
}

type AnswersOfTask = AnswerOptions & Required<Pick<AnswerOptions, "extract">>;

/** Returns how a reward finds the answers of a task's texts. `item` is passed to `extract`. */
export function answersOf(task: Task, item?: TaskItem): AnswersOfTask {
  const { answerEnd } = task;
  return { extract: (text) => task.extract(text, item), ...(answerEnd && { answerEnd }) };
}

const PROSE = "Such a text is\nan answer as a whole.";

/** Returns whether texts can agree on a task's answers, which are then neither programs nor whole texts. */
export function canVote(task: Task, item: TaskItem): boolean {
  return !task.runsCode && task.extract(PROSE, item) !== PROSE;
}

const METHODS = ["extract", "load", "prompt", "openGrader"] as const;

/** Returns the task's prompt. Throws `ERR_INVALID_OPTION` if the task returns something else. */
export function promptOf(task: Task, item: TaskItem, form: PromptForm): TaskPrompt {
  const name = `${task.name}.prompt(…)`;
  const prompt = checkObject(name, task.prompt(item, form));
  checkBoolean(`${name}.raw`, prompt.raw);
  checkStrings(`${name}.stop`, prompt.stop);
  return prompt;
}

/**
 * Opens the task's own grader.
 *
 * @throws LlamaEtsError as the task's `openGrader` does; `ERR_INVALID_OPTION` if it returns something else
 */
export async function openGraderOf(task: Task, options: GraderOptions): Promise<Grader> {
  const grader: Partial<Grader> | null | undefined = await task.openGrader(options);
  const isGrader = typeof grader?.grade === "function" && Symbol.asyncDispose in grader;
  if (isGrader) return grader as Grader;
  return refuse(
    `${task.name}.openGrader`,
    "a function that opens a grader, which has `grade` and `Symbol.asyncDispose`",
    grader,
    "defineTask, whose graders have both",
  );
}

/** Returns the names of the members that a value lacks to be a task. */
export function lacksOfTask(value: unknown): string[] {
  const task = (value ?? {}) as Partial<Task>;
  const missing = METHODS.filter((method) => typeof task[method] !== "function");
  return [...(typeof task.name === "string" ? [] : ["name"]), ...missing];
}

/** Throws `ERR_INVALID_OPTION`. */
export function checkTask(name: string, value: Task): Task {
  const missing = lacksOfTask(value);
  if (missing.length === 0) return value;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    `Expected \`${name}\` to be a task, got one without ${missing.join(", ")}`,
    { fix: "findTask, or defineTask" },
  );
}
