/** A task of the study, opened: its items in three splits, its model, its reward and its grader. */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { canonicalAnswer, loadModel } from "llama-ets";

const MADE = 400;

/**
 * The items of a task: `pilot`, from the first on; `study`, the next; `held`, from the last back. Made
 * rows are written to a file, from which the task loads them as anybody's.
 */
async function itemsOf(name, { task, rows, pick }, { data, folder }) {
  let file = data;
  if (rows !== undefined) {
    file = path.join(folder, `${name}.jsonl`);
    await mkdir(folder, { recursive: true });
    await writeFile(
      file,
      rows(MADE)
        .map((row) => `${JSON.stringify(row)}\n`)
        .join(""),
    );
  }
  const items = await task.load(file);
  return pick === undefined ? items : items.filter(pick);
}

/** The reward as a method takes it, for one item. */
function forItem(reward, item) {
  if (typeof reward === "function") return (completion) => reward({ ...completion, item });
  const asked = { ...item.row, ...item };
  return { ...reward, score: (input) => reward.score({ ...input, item: asked }) };
}

/** The task; `models` has those that are loaded, by their sources, and gets its own. */
export async function openTask(name, entry, { model: given, models, threads, data, folder }) {
  const items = await itemsOf(name, entry, { data, folder });
  const source = entry.model ?? given;
  const model = models.get(source) ?? (await loadModel(source, { threads, gpu: false }));
  models.set(source, model);
  const opened = (await entry.openReward?.()) ?? null;
  const grader = await entry.task.openGrader(entry.grader);
  return {
    ...{ name, entry, items, model },
    /** What is asked of a method: `reward`, and what judges beginnings. */
    async judgesOf(item) {
      const own = entry.rewardOf?.(item);
      const reward = own ?? opened ?? entry.reward;
      if (reward === undefined) return { reward: undefined, potential: undefined, close() {} };
      const judged = own ?? forItem(reward, item);
      return {
        reward: judged,
        potential: entry.potential ? forItem(entry.potential, item) : judged,
        close: () => own?.[Symbol.asyncDispose]?.(),
      };
    },
    promptOf: (item) => {
      const { prompt, raw, stop } = entry.task.prompt(item, "chat");
      return { prompt, raw, stop };
    },
    extract: (text, item) => {
      const found = entry.task.extract(text, item);
      return found === null ? null : canonicalAnswer(found);
    },
    /** The worth of a text, from 0 to 1, and whether it is right. */
    async grade(item, text) {
      const { correct, score = Number(correct) } = await grader.grade(item, text);
      return { score, correct };
    },
    async close() {
      await grader[Symbol.asyncDispose]();
      await opened?.[Symbol.asyncDispose]?.();
    },
  };
}
