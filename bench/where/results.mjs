/** Compares outcomes: every method with rivals that have at least as many tokens. */
import seedrandom from "seedrandom";
import { holmAdjusted } from "../../dist/evaluate/statistics/holm.js";
import { bonettPriceInterval } from "../../dist/evaluate/statistics/paired.js";
import { mean, signFlipTest, studentInterval } from "../lib/statistics.mjs";

/**
 * Returns the outcome of the text with the highest reward among the pool's first n texts, on a tie the first.
 * If votes are the reward, it is the outcome of the vote.
 */
export function bestOf({ texts }, n) {
  const first = texts.slice(0, n);
  if (first.every(({ reward }) => reward === null)) return electedOf({ texts }, n);
  const most = Math.max(...first.map(({ reward }) => reward ?? 0));
  const best = first.filter(({ reward }) => (reward ?? 0) === most);
  return { ...best[0], divergence: Math.min(Math.log(n) - (n - 1) / n, Math.log(n / best.length)) };
}

/** Returns the outcome of the plurality vote of the pool's first n texts, on a tie the first answer. */
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

/**
 * Returns the smallest number of texts with at least as many mean tokens, or the size of the pool if even all
 * its texts have fewer.
 */
function sizeOf(items, tokens) {
  const most = items[0].pool.texts.length;
  for (let n = 1; n < most; n++) {
    if (mean(items.map(({ pool }) => tokensOf(pool, n))) >= tokens) return n;
  }
  return most;
}

/** Returns the row of one method: its scores by item, and means. */
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

/**
 * Estimates the items with which such a difference has p < 0.003 (enough for the first of 16 steps of Holm's
 * correction) in four of five studies.
 */
function neededItems(differences) {
  const gain = mean(differences);
  const variance = mean(differences.map((d) => (d - gain) ** 2));
  return gain > 0 && variance > 0 ? Math.ceil((3.8 ** 2 * variance) / gain ** 2) : null;
}

/**
 * Returns the paired difference of the scores of two rows. If all scores are right or wrong, the interval is
 * Bonett and Price's.
 */
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
 * Compares each task's rows at each size. Returns `{ name, entry, count, sizes: [{ size, guided: [{ row,
 * rivals, toBest, toVote }] }] }`. The first guided method is the pilot's best, and only this one is tested.
 * There is one test for each task and size, against both rivals together. `holm` is its p-value after Holm's
 * correction over all tests.
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
  // An intersection-union test: the larger p-value tests the hypothesis that the method is no better than at
  // least one rival.
  const larger = tests.map(({ toBest, toVote }) => Math.max(toBest.p, toVote.p));
  for (const [i, p] of holmAdjusted(larger).entries()) tests[i].holm = p;
  return { tasks, tests: tests.length };
}

/**
 * Returns whether the pilot's method is significantly better than both rivals at any size, after Holm's
 * correction.
 */
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
 * Computes the regret of `auto` and of single methods on held-out items: the best method's mean score minus
 * the method's own. Each task is scaled to the range from one sample to the best method. The result is the
 * mean over tasks, with a 95% bootstrap interval over the items of each task.
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
