/** Runs the study: the pilot, rounds of items over all tasks, and held-out items. */
import path from "node:path";
import { auto as chooseAndRun } from "llama-ets";
import { keptLines } from "../lib/kept-lines.mjs";
import { showProgress } from "../lib/progress.mjs";
import { mean } from "../lib/statistics.mjs";
import { code } from "./code.mjs";
import { counts } from "./counts.mjs";
import { drawOne, drawPool } from "./draw.mjs";
import { instructions } from "./instructions.mjs";
import { keywords } from "./keywords.mjs";
import { openTask } from "./open-task.mjs";
import { records } from "./records.mjs";
import { tone } from "./tone.mjs";
import { chains, verified, votes } from "./word-problems.mjs";

const TASKS = {
  keywords,
  records,
  tone,
  counts,
  instructions,
  votes,
  verified,
  chains,
  code,
};

const ROUNDS = 40;

/** The first seeds of the three splits, which never overlap. */
const SEEDS = { pilot: 1_000_000, study: 2_000_000, held: 3_000_000 };

/**
 * Runs the study within the time limit `minutes`, and returns the kept outcomes of each task: `{ name, entry,
 * pilot, chosen, study, held }`. With `draw` false it draws nothing.
 */
export async function runStudy(options) {
  const { only, file, minutes, draw, sizes, seed } = options;
  const names = only === "" ? Object.keys(TASKS) : only.split(",");
  const kept = await keptLines(file);
  const until = minutes > 0 ? performance.now() + 60_000 * minutes : Number.POSITIVE_INFINITY;
  const isOver = () => !draw || performance.now() > until;
  const tasks = [];
  const models = new Map();
  for (const name of names) {
    const entry = TASKS[name];
    if (entry === undefined) throw new Error(`Expected --only ${Object.keys(TASKS).join(", ")}`);
    tasks.push(await openTask(name, entry, { ...options, models, data: options.data[name] }));
  }
  /** Returns the kept outcome of a run, or draws it; undefined once the time is over. */
  const get = async (task, split, item, method, size) => {
    const key = [
      task.name,
      task.model.info.description,
      split,
      item.id,
      method?.name ?? "pool",
      size,
    ];
    const text = [...key, seed, task.entry.maxTokens].join("|");
    const own = SEEDS[split] + 1000 * seed + task.items.indexOf(item);
    if (!kept.has(text) && isOver()) return undefined;
    return kept.get(text, () =>
      method === null ? drawPool(task, item, own) : drawOne(task, method, size, item, own),
    );
  };
  const results = new Map(
    tasks.map(({ name, entry }) => [name, { name, entry, study: [], held: [] }]),
  );
  const [small, large] = sizes;
  for (const task of tasks) {
    const result = results.get(task.name);
    result.pilot = await pilotOf(task, small, get);
    result.chosen = chosenBy(result.pilot, task.entry);
  }
  // Each round has the same share of every task's items, so that all tasks have progressed equally when the
  // time ends.
  for (let round = 0; round < ROUNDS; round++) {
    for (const task of tasks) {
      const result = results.get(task.name);
      for (const split of ["study", "held"]) {
        for (const item of ofRound(task[split], round)) {
          const outcome = await outcomesOf(task, split, item, result, [small, large], get);
          if (outcome !== null) result[split].push(outcome);
        }
        showProgress(`round ${round + 1} of ${ROUNDS}: ${task.name}`);
      }
    }
  }
  showProgress("", true);
  const described = tasks.map(({ name, model }) => [name, path.basename(model.path, ".gguf")]);
  for (const task of tasks) await task.close();
  for (const model of models.values()) await model.dispose();
  return { results: [...results.values()], models: new Map(described) };
}

function ofRound(items, round) {
  const edge = (number) => Math.floor((number * items.length) / ROUNDS);
  return items.slice(edge(round), edge(round + 1));
}

/** Returns the scores of each guided method on the pilot's items, with few candidates. */
async function pilotOf(task, size, get) {
  const rows = [];
  for (const method of task.entry.methods) {
    const outcomes = [];
    for (const item of task.pilot) {
      const outcome = await get(task, "pilot", item, method, size);
      if (outcome !== undefined) outcomes.push(outcome);
      showProgress(`pilot ${task.name}: ${method.name} ${outcomes.length}/${task.pilot.length}`);
    }
    rows.push({ name: method.name, outcomes });
  }
  return rows;
}

/**
 * Returns the methods with the best means in the pilot, best first. On a tie the one with fewer tokens comes
 * first.
 */
function chosenBy(pilot, { methods, chosen = 1 }) {
  const rated = pilot
    .filter(({ outcomes }) => outcomes.length > 0)
    .map(({ name, outcomes }) => ({
      name,
      score: mean(outcomes.map(({ score }) => score)),
      tokens: mean(outcomes.map(({ tokens }) => tokens)),
    }));
  const order = rated.toSorted((a, b) => b.score - a.score || a.tokens - b.tokens);
  return order.slice(0, chosen).map(({ name }) => methods.find((method) => method.name === name));
}

/**
 * Returns the held-out methods. `auto` gets the task's reward, which also judges beginnings, and its
 * constraint.
 */
function heldMethods({ methods, constraintOf, answers = false }, [first]) {
  const auto = {
    name: "auto",
    method: chooseAndRun,
    options: (reward, item, potential) => ({
      ...(reward !== undefined && { reward, potential }),
      // The rules of `auto` choose the temperature.
      temperature: undefined,
      ...(!answers && { extract: undefined }),
      ...(constraintOf !== undefined && { constraint: constraintOf(item) }),
    }),
  };
  return [...new Set([first, ...methods.filter(({ fixed }) => fixed), auto])];
}

/** Returns the pool and the chosen methods' outcomes at both sizes; null if any is missing. */
async function outcomesOf(task, split, item, { chosen }, sizes, get) {
  if (chosen.length === 0) return null;
  const pool = await get(task, split, item, null, 0);
  if (pool === undefined) return null;
  const runs = {};
  for (const reference of split === "study" ? (task.entry.references ?? []) : []) {
    const outcome = await get(task, split, item, reference, 1);
    if (outcome === undefined) return null;
    runs[reference.name] = outcome;
  }
  const methods = split === "held" ? heldMethods(task.entry, chosen) : chosen;
  for (const size of split === "held" ? sizes.slice(-1) : sizes) {
    // The pilot's second choice is shown only at the larger size.
    const shown = split === "study" && size !== sizes.at(-1) ? methods.slice(0, 1) : methods;
    for (const method of shown) {
      const outcome = await get(task, split, item, method, size);
      if (outcome === undefined) return null;
      runs[`${method.name}@${size}`] = outcome;
    }
  }
  return { id: item.id, pool, runs };
}
