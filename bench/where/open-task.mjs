/** A task of the study, opened: its items in three splits, its model, its reward and its grader. */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { canonicalAnswer, loadModel } from "llama-ets";

const MADE = 400;

/** The items of a task. Made rows are written to a file, from which the task loads them as anybody's. */
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

/**
 * Three disjoint splits of so many items, times `scale`: the first, the next, and from the end back those
 * before the `seen` ones, which an earlier state of the study was held out on.
 */
function splitsOf(items, { pilot, study, held, seen = 0 }, scale) {
  const [first, next, last] = [pilot, study, held].map((size) => Math.ceil(scale * size));
  if (first + next + last + seen > items.length)
    throw new Error(`Expected --scale for ${items.length} items`);
  return {
    pilot: items.slice(0, first),
    study: items.slice(first, first + next),
    held: items.toReversed().slice(seen, seen + last),
  };
}

/** The reward as a method takes it, for one item. */
function forItem(reward, item) {
  if (typeof reward === "function") return (completion) => reward({ ...completion, item });
  const asked = { ...item.row, ...item };
  return { ...reward, score: (input) => reward.score({ ...input, item: asked }) };
}

/** The task; `models` has those that are loaded, by their sources, and gets its own. */
export async function openTask(
  name,
  entry,
  { model: given, models, threads, data, folder, scale },
) {
  const items = await itemsOf(name, entry, { data, folder });
  const source = entry.model ?? given;
  const model = models.get(source) ?? (await loadModel(source, { threads, gpu: false }));
  models.set(source, model);
  const opened = (await entry.openReward?.()) ?? null;
  const grader = await entry.task.openGrader(entry.grader);
  return {
    name,
    entry,
    items,
    model,
    ...splitsOf(items, entry.sizes, scale),
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
