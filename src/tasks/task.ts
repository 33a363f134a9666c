import type { AnswerExtractor } from "../rewards/answer.js";

/** One problem with its reference answer. */
export interface TaskItem {
  /** Unique within the task. */
  id: string;
  prompt: string;
  /** The reference answer, canonical. */
  gold: string;
}

/** A kind of problem: how to find its answers, and where its items come from. */
export interface Task {
  readonly name: string;
  /** Finds the answer in a text. */
  readonly extract: AnswerExtractor;
  /** Whether an unfinished text's answer can't change any more. */
  isFinal(text: string): boolean;
  /** Reads the items of a file, by default the bundled one. Throws on the first bad row. */
  load(file?: string): Promise<TaskItem[]>;
}
