/** What a task is: problems, how to ask them, and how to tell a right answer. */
import type { AnswerEnd } from "../chain/answer-end.js";
import type { ChatMessage } from "../engine/chat/messages.js";
import { checkArray, checkBoolean, checkObject, checkStrings, refuse } from "../engine/check.js";
import { LlamaEtsError } from "../engine/errors.js";
import { frozenCopy } from "../engine/frozen-copy.js";
import type { AnswerOptions } from "../rewards/answer.js";

/** One problem with its reference answer. */
export interface TaskItem {
  /** Unique within the task, and the same at every load. */
  id: string;
  /** The question, as the data file has it. */
  prompt: string;
  /** The reference answer; a program's tests for tasks that run code. */
  gold: string;
  /** The options of a multiple-choice question, in the order shown: A, B, C, … */
  choices?: readonly string[];
  /** The function that a program must define, for tasks that run code. */
  entryPoint?: string;
  /** The prompt as the task's template makes it of the item; none without a template. */
  asked?: string;
  /** A program's tests, where `gold` is a program that passes them. */
  tests?: string;
  /** All fields of the item's row, which rewards and potentials see. `load` fills it in. */
  row?: Readonly<Record<string, unknown>>;
}

/** The letters of a question's options, in their order. */
export const LETTERS: readonly string[] = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"];

export const PROMPT_FORMS = ["chat", "paper"] as const;

/** A chat question, or the raw few-shot text of the published evaluations. */
export type PromptForm = (typeof PROMPT_FORMS)[number];

/** What a model is asked for an item. */
export interface TaskPrompt {
  prompt: string | ChatMessage[];
  /** Whether a string prompt goes to the model as it is, without a chat template. */
  raw: boolean;
  /** Strings that end the answer. */
  stop: string[];
  /** Longest answer that the published evaluations allow. */
  maxTokens?: number;
}

export const GRADING_MODES = ["fair", "compat"] as const;

/**
 * `fair` asks whether the answer is right; `compat` scores as lm-evaluation-harness and the paper's
 * code do, misjudgements included, for numbers that can be compared.
 */
export type GradingMode = (typeof GRADING_MODES)[number];

/** How a grader grades, and what it may do. */
export interface GraderOptions {
  /** Default "fair". */
  mode?: GradingMode;
  /** Lets tasks that need it run generated programs, in a sandbox. Default false. */
  allowCodeExecution?: boolean;
  /** Aborting rejects what is being graded with the signal's reason. */
  signal?: AbortSignal;
}

/** What a grader says of a text. */
export interface Verdict {
  /** The answer found in the text; `null` when there is none. */
  extracted: string | null;
  correct: boolean;
  /** How a program ended, for tasks that run code. */
  result?: "pass" | "fail" | "timeout" | "blocked";
  /** Why it was graded so, where the answer and the reference don't tell. */
  reason?: string;
  /** From 0 to 1, where an answer may be right in part. */
  score?: number;
  /** Scores of the answer's parts, from 0 to 1, by what they are of. */
  categories?: Record<string, number>;
  /** IFEval: which instructions the text follows, and which it follows where the loose rules hold. */
  strict?: boolean[];
  loose?: boolean[];
}

/** Grades texts; it may hold processes, so it is to be disposed. */
export interface Grader extends AsyncDisposable {
  /** What runs programs and how they are confined, in words; none for tasks without code. */
  readonly isolation?: string;
  /**
   * The verdict on a model's whole output, or on an answer that was extracted before. May be called
   * while others are under way.
   */
  grade(item: TaskItem, text: string, form?: "output" | "answer"): Promise<Verdict>;
  /**
   * What an item's reference answer is to be where this grader can't read it, as in "be a number"; `null`
   * where it can. Default: every one can be read.
   */
  wantedGold?(item: TaskItem): string | null;
}

/** How a task's data file is fetched where it isn't here. */
export interface LoadOptions {
  /** Whether the task's own data file may be fetched where it isn't here yet. Default true. */
  download?: boolean;
  /** Called while a data file is downloaded; sizes in bytes, `total` 0 when unknown. */
  onProgress?: (progress: { received: number; total: number }) => void;
  /** Aborting rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** A kind of problem: where its items come from, how they are asked and graded. */
export interface Task {
  readonly name: string;
  /** Whether grading runs generated programs, by the tests of the task's own data. */
  readonly runsCode?: boolean;
  /** Whether an answer is the whole text, so that no two are alike and votes say nothing. Default false. */
  readonly isWhole?: boolean;
  /** The file of its items, where one was named with it. */
  readonly dataFile?: string;
  /** The field by which rows to be graded name items of the task's own data. Default: none does. */
  readonly rowKey?: string;
  /** Finds the answer in a text; `item` helps where answers may quote its choices. */
  extract(text: string, item?: TaskItem): string | null;
  /**
   * Where a text's answer ends: `extract` finds the same in what precedes it. Rollouts go no
   * further. Default: the whole text counts.
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
 * The items of a task, which none of its functions can change: a grader that would fails.
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

/** How a reward finds the answers of a task's texts; `item` as `extract` takes it. */
export function answersOf(task: Task, item?: TaskItem): AnswersOfTask {
  const { answerEnd } = task;
  return { extract: (text) => task.extract(text, item), ...(answerEnd && { answerEnd }) };
}

const PROSE = "Such a text is\nan answer as a whole.";

/** Whether texts can agree on a task's answers: these are neither programs nor texts as a whole. */
export function canVote(task: Task, item: TaskItem): boolean {
  return !task.runsCode && task.extract(PROSE, item) !== PROSE;
}

const METHODS = ["extract", "load", "prompt", "openGrader"] as const;

/** The task's prompt. Throws `ERR_INVALID_OPTION` where the task makes something else. */
export function promptOf(task: Task, item: TaskItem, form: PromptForm): TaskPrompt {
  const name = `${task.name}.prompt(…)`;
  const prompt = checkObject(name, task.prompt(item, form));
  checkBoolean(`${name}.raw`, prompt.raw);
  checkStrings(`${name}.stop`, prompt.stop);
  return prompt;
}

/**
 * The task's own grader.
 *
 * @throws LlamaEtsError as the task's `openGrader` does; `ERR_INVALID_OPTION` where it gives something else
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

/** The names of what a value lacks to be a task. */
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
