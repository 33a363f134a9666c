/** Checks a task without a model: its items, its prompts, and how it grades known answers. */
import { checkInteger, checkKeys, checkString, optional } from "../engine/check.js";
import { messageOf } from "../engine/errors.js";
import {
  checkTask,
  type Grader,
  loadItems,
  openGraderOf,
  promptOf,
  type Task,
  type TaskItem,
  type TaskPrompt,
  type Verdict,
} from "./task.js";

/** Which items of a task are checked. */
export interface CheckTaskOptions {
  /** The data file. Default: the task's own. */
  data?: string;
  /** Items whose prompts and verdicts are shown, from 1 to 100. Default 3. */
  shown?: number;
  /** Aborting rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** A known answer, and how the task grades it. */
export interface CheckedAnswer {
  /** A description of the answer. */
  what: string;
  text: string;
  verdict: Verdict;
  /** False if the grader's verdict must be wrong. */
  isRight: boolean;
}

/** An item of a task, with its prompt and verdicts. */
export interface CheckedItem {
  id: string;
  gold: string;
  prompt: TaskPrompt;
  answers: CheckedAnswer[];
}

/** The result of checking a task. */
export interface TaskReport {
  name: string;
  /** The number of items in the data. */
  items: number;
  shown: CheckedItem[];
  /** Descriptions of the problems; empty if there are none. */
  problems: string[];
}

/** The maximum number of items whose reference answers are graded. */
const MAX_GRADED = 1000;

/**
 * Reads a task's items, makes their prompts and grades known answers. The reference answer must be right, and
 * an empty text wrong. For tasks that run programs it grades nothing.
 *
 * @throws LlamaEtsError as the task's `load` does; `ERR_INVALID_OPTION`; the signal's reason
 */
export async function inspectTask(task: Task, options: CheckTaskOptions = {}): Promise<TaskReport> {
  checkTask("task", task);
  checkKeys("options", options, ["data", "shown", "signal"]);
  const data = optional(checkString, "data", options.data);
  const count = checkInteger("shown", options.shown ?? 3, 1, 100);
  const { signal } = options;
  const items = await loadItems(task, data, signal ? { signal } : {});
  const problems: string[] = items.length === 0 ? ["The data has no items"] : [];
  const shown: CheckedItem[] = [];
  await using grader = task.runsCode ? null : await openGraderOf(task, signal ? { signal } : {});
  for (const [i, item] of items.slice(0, MAX_GRADED).entries()) {
    signal?.throwIfAborted();
    try {
      const answers = grader === null ? [] : await gradeKnown(grader, item, items[i + 1]);
      for (const { what, isRight } of answers) {
        if (!isRight) problems.push(`${item.id}: ${what} is graded ${wrongly(what)}`);
      }
      const prompt = promptOf(task, item, "chat");
      if (i < count) shown.push({ id: item.id, gold: item.gold, prompt, answers });
    } catch (error) {
      problems.push(`${item.id}: ${messageOf(error)}`);
    }
  }
  return { name: task.name, items: items.length, shown, problems };
}

const GOLD = "the reference answer";
const EMPTY = "an empty text";

function wrongly(what: string): string {
  return what === GOLD ? "wrong" : "right";
}

async function gradeKnown(
  grader: Grader,
  item: TaskItem,
  next: TaskItem | undefined,
): Promise<CheckedAnswer[]> {
  const gold = await grader.grade(item, item.gold, "answer");
  const empty = await grader.grade(item, "");
  const known: CheckedAnswer[] = [
    { what: GOLD, text: item.gold, verdict: gold, isRight: gold.correct },
    { what: EMPTY, text: "", verdict: empty, isRight: !empty.correct },
  ];
  const sentence = `The answer is ${item.gold.split("\n", 1)}.`;
  known.push({
    what: "a sentence that names it",
    text: sentence,
    verdict: await grader.grade(item, sentence),
    isRight: true, // no problem if it is wrong: tasks may ask for another form
  });
  if (next === undefined || next.gold === item.gold) return known;
  known.push({
    what: "the next item's answer",
    text: next.gold,
    verdict: await grader.grade(item, next.gold, "answer"),
    isRight: true, // no problem if it is right: it may equal this item's answer in another form
  });
  return known;
}
