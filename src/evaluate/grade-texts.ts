import type { Grader, TaskItem } from "../tasks/task.js";

/** Adds verdicts to texts. Each distinct text is graded only once. */
export async function gradeTexts<T extends { text: string }>(
  grader: Grader,
  item: TaskItem,
  texts: readonly T[],
): Promise<(T & { correct: boolean })[]> {
  const verdicts = new Map<string, boolean>();
  for (const { text } of texts) {
    if (!verdicts.has(text)) verdicts.set(text, (await grader.grade(item, text)).correct);
  }
  return texts.map((kept) => ({ ...kept, correct: verdicts.get(kept.text) === true }));
}
