/** Opens a task of the study: its items in three splits, its model, its reward and its grader. */
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { canonicalAnswer, loadModel } from "llama-ets";

const MADE = 400;

/** Loads the items of a task. Generated rows are first written to a file, from which the task loads them. */
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
 * Returns three disjoint splits, whose sizes are multiplied by `scale`. The pilot has the first items and the
 * study the next ones. The held-out items come from the end, before the last `seen` items, which an earlier
 * version of the study has used as held-out items.
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

/** Returns the reward of one item in the form that methods take. */
function forItem(reward, item) {
  if (typeof reward === "function") return (completion) => reward({ ...completion, item });
  const asked = { ...item.row, ...item };
  return { ...reward, score: (input) => reward.score({ ...input, item: asked }) };
}

/** Opens the task. `models` contains the loaded models by their sources; the task's model is added to it. */
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
    /** Returns the reward for a method, and the potential that judges beginnings. */
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
    /** Returns the score of a text, from 0 to 1, and whether it is right. */
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
