/** Grades outputs of other programs, row by row. */
import { checkFunction, checkObject, checkSignal, checkString, optional } from "../engine/check.js";
import { type Row, readRows } from "./rows.js";
import {
  type Grader,
  type LoadOptions,
  loadItems,
  type Task,
  type TaskItem,
  type Verdict,
} from "./task.js";

/** The verdict on one row. */
export interface RowVerdict extends Verdict {
  /** The row's `id`, `task_id` or `rowKey`; null if it has none. */
  id: string | number | null;
}

/** The number of rows that are graded ahead, so that a slow row doesn't delay the others. */
const AHEAD = 16;

/**
 * Yields the verdicts on a file's rows, in their order. A row is `{id?, output | answer, gold, choices?}`, or
 * `{task_id, completion | solution}` for an item of the task's own data. If the task has a `rowKey`, a row
 * has the item's name under that key, and its `output` or `response`. Throws `ERR_INVALID_OPTION`, and
 * `ERR_INVALID_DATA` on the first bad row, such as one whose reference answer the grader can't read. The
 * verdicts before it are yielded first.
 */
export async function* gradeRows(
  grader: Grader,
  file: string,
  items: ReadonlyMap<string, TaskItem>,
  rowKey?: string,
  signal?: AbortSignal,
): AsyncGenerator<RowVerdict> {
  checkFunction("grader.grade", checkObject("grader", grader).grade);
  checkString("file", file);
  checkFunction("items.get", checkObject("items", items).get);
  optional(checkString, "rowKey", rowKey);
  optional(checkSignal, "signal", signal);
  const pending: Promise<RowVerdict>[] = [];
  let failure: unknown;
  try {
    for await (const row of readRows(file, signal)) {
      const verdict = gradeRow(grader, row, items, rowKey);
      verdict.catch(() => {}); // The error is thrown when the row's turn comes.
      pending.push(verdict);
      if (pending.length >= AHEAD) yield await (pending.shift() as Promise<RowVerdict>);
    }
  } catch (error) {
    failure = error;
  }
  for (const verdict of pending) yield await verdict;
  if (failure !== undefined) throw failure;
}

async function gradeRow(
  grader: Grader,
  row: Row,
  items: ReadonlyMap<string, TaskItem>,
  rowKey: string | undefined,
): Promise<RowVerdict> {
  if (rowKey !== undefined) {
    const key = row.scalar(rowKey);
    const item = items.get(key) ?? row.refuse(rowKey, `be in the data, got ${key}`);
    const output = textOf(row, "output", "response");
    return { id: row.name(row.has("id") ? "id" : rowKey), ...(await grader.grade(item, output)) };
  }
  if (row.has("task_id") || row.has("completion")) {
    const id = row.scalar("task_id");
    const completion = textOf(row, "solution", "completion");
    const item = items.get(id) ?? row.refuse("task_id", `be in the data, got ${id}`);
    return { id, ...(await grader.grade(item, completion)) };
  }
  const id = row.has("id") ? row.name("id") : null;
  const form = row.has("output") ? "output" : "answer";
  if (!row.has(form)) row.refuse("output", "be there, or `answer`");
  const text = row.scalar(form);
  if (row.has("output") && row.has("answer")) {
    row.refuse("answer", "be left out where `output` is there: one of the two is graded");
  }
  const known = id === null ? undefined : items.get(String(id));
  const item: TaskItem = {
    ...(known ?? { id: String(id ?? `line ${row.line}`), prompt: "", gold: "" }),
    ...((row.has("gold") || known === undefined) && { gold: row.scalar("gold") }),
    ...(row.has("choices") && { choices: row.strings("choices") }),
  };
  const wanted = item.gold.trim() === "" ? "hold an answer" : grader.wantedGold?.(item);
  if (wanted) row.refuse("gold", `${wanted}, got \`${item.gold.slice(0, 80)}\``);
  return { id, ...(await grader.grade(item, text, form)) };
}

/** Returns the text under one of two equivalent names. A row with both texts is refused. */
function textOf(row: Row, name: string, other: string): string {
  if (!row.has(name)) return row.string(other);
  const text = row.string(name);
  if (row.has(other) && row.string(other) !== text) {
    row.refuse(other, `be the text of \`${name}\`, or to be left out`);
  }
  return text;
}

/**
 * Loads the task's items by id, for rows that name items. `data` is the data file; undefined for the task's
 * own.
 */
export async function itemsById(
  task: Task,
  data: string | undefined,
  options: LoadOptions = {},
): Promise<ReadonlyMap<string, TaskItem>> {
  if (data === undefined && !task.runsCode && task.rowKey === undefined) return new Map();
  const items = await loadItems(task, data, options);
  return new Map(items.map((item) => [item.id, item]));
}
