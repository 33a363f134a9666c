/** From outcomes to comparisons: every method against rivals that have at least as many tokens. */
import seedrandom from "seedrandom";
import { holmAdjusted } from "../../dist/evaluate/statistics/holm.js";
import { bonettPriceInterval } from "../../dist/evaluate/statistics/paired.js";
import { mean, signFlipTest, studentInterval } from "../lib/statistics.mjs";

/**
 * The outcome of the best of the pool's first n texts by their rewards, the first of equals. Where the
 * answers' votes are the reward, it is the vote's.
 */
export function bestOf({ texts }, n) {
  const first = texts.slice(0, n);
  if (first.every(({ reward }) => reward === null)) return electedOf({ texts }, n);
  const most = Math.max(...first.map(({ reward }) => reward ?? 0));
  const best = first.filter(({ reward }) => (reward ?? 0) === most);
  return { ...best[0], divergence: Math.min(Math.log(n) - (n - 1) / n, Math.log(n / best.length)) };
}

/** The outcome of the pool's first n texts by the plurality of their answers, the first of equals. */
export function electedOf({ texts }, n) {
  const first = texts.slice(0, n);
  const counts = new Map();
  for (const { answer } of first) {
    if (answer !== null) counts.set(answer, (counts.get(answer) ?? 0) + 1);
  }
  const most = Math.max(0, ...counts.values());
  return first.find(({ answer }) => counts.get(answer) === most) ?? first[0];
}

function tokensOf({ texts }, n) {
  return texts.slice(0, n).reduce((sum, { tokens }) => sum + tokens, 0);
}

function cpuOf(pool, n) {
  return (pool.cpu * tokensOf(pool, n)) / tokensOf(pool, pool.texts.length);
}

/** The fewest texts whose mean tokens are at least as many; all of the pool where even they are fewer. */
function sizeOf(items, tokens) {
  const most = items[0].pool.texts.length;
  for (let n = 1; n < most; n++) {
    if (mean(items.map(({ pool }) => tokensOf(pool, n))) >= tokens) return n;
  }
  return most;
}

/** One method's row: its scores item by item, and means. */
function rowOf(name, outcomes) {
  const divergences = outcomes.flatMap(({ divergence }) => divergence ?? []);
  return {
    name,
    scores: outcomes.map(({ score }) => score),
    score: mean(outcomes.map(({ score }) => score)),
    right: mean(outcomes.map(({ correct }) => Number(correct))),
    reward: outcomes.some(({ reward }) => typeof reward !== "number")
      ? null
      : mean(outcomes.map(({ reward }) => reward)),
    tokens: mean(outcomes.map(({ tokens }) => tokens)),
    cpu: mean(outcomes.map(({ cpu }) => cpu)),
    divergence: divergences.length === 0 ? null : mean(divergences),
  };
}

function rivalsOf(items, n) {
  const pooled = (pick) =>
    items.map(({ pool }) => ({
      ...pick(pool, n),
      tokens: tokensOf(pool, n),
      cpu: cpuOf(pool, n),
    }));
  return {
    best: rowOf(`best of ${n}`, pooled(bestOf)),
    elected: rowOf(`vote of ${n}`, pooled(electedOf)),
  };
}

/** Items by which such a difference has p < .003, enough for Holm's first step of 16, in four of five studies. */
function neededItems(differences) {
  const gain = mean(differences);
  const variance = mean(differences.map((d) => (d - gain) ** 2));
  return gain > 0 && variance > 0 ? Math.ceil((3.8 ** 2 * variance) / gain ** 2) : null;
}

/** The paired difference of two rows' scores; intervals are Bonett and Price's where all are right or wrong. */
function difference(ours, theirs) {
  const differences = ours.scores.map((score, i) => score - theirs.scores[i]);
  const isGraded = differences.some((d) => !Number.isInteger(d));
  return {
    won: differences.filter((d) => d > 1e-9).length,
    lost: differences.filter((d) => d < -1e-9).length,
    p: signFlipTest(differences),
    mean: mean(differences),
    ci95: isGraded ? studentInterval(differences) : bonettPriceInterval(differences),
    needed: neededItems(differences),
  };
}

/**
 * Each task's rows at each size: `{ name, entry, count, sizes: [{ size, guided: [{ row, rivals, toBest,
 * toVote }] }] }`. The first guided method is the pilot's best, and the tests are of it alone: one for each
 * task and size, of both rivals together; `holm` is its p-value among all of them.
 */
export function compare(results, sizes) {
  const tasks = results
    .filter(({ study }) => study.length > 1)
    .map(({ name, entry, chosen, study, pilot }) => {
      const run = (label, key = label) =>
        rowOf(
          label,
          study.map(({ runs }) => runs[key]),
        );
      const [first] = chosen;
      const largest = run(first.name, `${first.name}@${sizes.at(-1)}`);
      return {
        name,
        entry,
        pilot,
        count: study.length,
        references: (entry.references ?? []).map(({ name: label }) => {
          const row = run(label);
          return { row, gain: difference(largest, row) };
        }),
        curve: Array.from({ length: study[0].pool.texts.length }, (_, i) => rivalsOf(study, i + 1)),
        sizes: sizes.map((size) => ({
          size,
          guided: (size === sizes.at(-1) ? chosen : chosen.slice(0, 1)).map((method) => {
            const row = run(method.name, `${method.name}@${size}`);
            const rivals = rivalsOf(study, sizeOf(study, row.tokens));
            const [toBest, toVote] = [
              difference(row, rivals.best),
              difference(row, rivals.elected),
            ];
            return { row, rivals, toBest, toVote };
          }),
        })),
      };
    });
  const tests = tasks
    .filter(({ entry }) => entry.isCounted !== false)
    .flatMap(({ sizes: all }) => all.map(({ guided: [first] }) => first));
  // That a method is no better than one of both is refused by the larger p: an intersection-union test.
  const larger = tests.map(({ toBest, toVote }) => Math.max(toBest.p, toVote.p));
  for (const [i, p] of holmAdjusted(larger).entries()) tests[i].holm = p;
  return { tasks, tests: tests.length };
}

/** Whether the pilot's method is better than both rivals at some size, after Holm's correction. */
export function isWon({ sizes }) {
  return sizes.some(
    ({ guided: [{ toBest, toVote, holm }] }) => toBest.mean > 0 && toVote.mean > 0 && holm < 0.05,
  );
}

const FIXED = [
  ...["one sample", "best of 8", "vote of 8", "best of 8, constraint"],
  ...["particle", "particle, constraint"],
];
const RESAMPLES = 2000;

function middle95(drawn) {
  const sorted = drawn.toSorted((a, b) => a - b);
  return [sorted[Math.floor(0.025 * RESAMPLES)], sorted[Math.ceil(0.975 * RESAMPLES) - 1]];
}

/**
 * Regret of `auto` and of single methods on held-out items: the best method's mean score minus its own,
 * each task's scaled to the range from one sample to the best; the mean over tasks, with the bootstrap's
 * 95% interval over the items of each.
 */
export function regrets(results, size) {
  const tasks = results
    .filter(({ held, entry }) => held.length > 1 && entry.isCounted !== false)
    .map(({ name, entry, chosen: [first], held }) => {
      const run = (method) => held.map(({ runs }) => runs[`${method}@${size}`].score);
      const fixed = (label) => run(entry.methods.find((method) => method.fixed === label).name);
      const best8 = rivalsOf(held, 8).best.scores;
      const scores = {
        "one sample": rivalsOf(held, 1).best.scores,
        "best of 8": best8,
        "vote of 8": rivalsOf(held, 8).elected.scores,
        "best of 8, constraint": entry.constraintOf ? fixed("best of 8, constraint") : best8,
        particle: fixed("particle"),
        "particle, constraint": fixed(entry.constraintOf ? "particle, constraint" : "particle"),
        auto: run("auto"),
      };
      const all = { ...scores, [first.name]: run(first.name) };
      const best = Object.values(all).reduce((a, b) => (mean(b) > mean(a) ? b : a));
      const range = mean(best) - mean(scores["one sample"]);
      return { name, count: held.length, seen: entry.sizes?.seen ?? 0, scores, best, range };
    })
    .filter(({ range }) => range > 0);
  const random = seedrandom("regrets");
  const draws = Array.from({ length: RESAMPLES }, () =>
    tasks.map(({ count }) => Array.from({ length: count }, () => Math.floor(random() * count))),
  );
  const regretOf = (method, { scores, best, range }, rows) =>
    mean(rows.map((i) => best[i] - scores[method][i])) / range;
  const drawnOf = (method) =>
    draws.map((own) => mean(tasks.map((task, t) => regretOf(method, task, own[t]))));
  const ofAuto = drawnOf("auto");
  const rows = [...FIXED, "auto"].map((method) => {
    const each = tasks.map((task) => regretOf(method, task, [...task.best.keys()]));
    const drawn = drawnOf(method);
    const overAuto = drawn.map((regret, i) => regret - ofAuto[i]);
    return {
      method,
      each,
      regret: mean(each),
      ci95: middle95(drawn),
      overAuto: middle95(overAuto),
    };
  });
  return { tasks: tasks.map(({ name, count, seen }) => ({ name, count, seen })), rows };
}
