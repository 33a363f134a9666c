import { canonicalAnswer, greedy, loadModel, miniGsm, particle, power } from "llama-ets";
import { tangoInterval } from "../../dist/evaluate/statistics/paired.js";
import { keptLines } from "../lib/kept-lines.mjs";
import { showProgress } from "../lib/progress.mjs";
import { mean, meanInterval, wilson } from "../lib/statistics.mjs";
import { fixed, interval, percent } from "../lib/table.mjs";

export const powersOptions = {
  first: 0,
  limit: 1000,
  /** Items to leave out, because the number of particles was chosen on them. */
  skip: "600-639",
  seed: 0,
  /**
   * The number of runs of each method on an item, with seeds from `seed` on. An item counts with their mean.
   */
  runs: 1,
  /** Names of methods, separated by semicolons. The others are compared with the first. Default: all. */
  methods: "",
  file: "runs/powers.jsonl",
};

const ALPHA = 4;
const SHARED = { extract: miniGsm.extract, maxTokens: 120 };
const SMC = { ...SHARED, alpha: ALPHA, temperature: 1, blockTokens: 16 };
/** Metropolis-Hastings at its defaults: 16 blocks, 10 moves at each. */
const MH = { ...SHARED, alpha: ALPHA };

const METHODS = [
  ["power, uniform", power, { ...MH, cuts: "uniform" }],
  ["power, entropy", power, { ...MH, cuts: "entropy" }],
  ...[8, 16, 32, 64].map((n) => [`particle, ${n}`, particle, { ...SMC, candidates: n }]),
  ["greedy", greedy, SHARED],
];

/**
 * Compares two ways to sample from p^4 on held-out mini-gsm items: moves of one text, and particles in one
 * batch. All methods run item by item. A text's log p is that of the model at temperature 1. Differences are
 * paired. Those of accuracy have Tango's interval, or with several runs an interval of the items' means.
 * Seconds are CPU time, which other load on the machine doesn't affect. An interrupted run resumes from
 * `file`.
 */
export async function powers(given) {
  const { first, limit, skip, seed, runs, methods, file } = { ...powersOptions, ...given };
  const [from, to] = skip.split("-").map(Number);
  const kept = await keptLines(file);
  const model = await loadModel("mini-gsm-ref", { gpu: false, threads: 1 });
  const items = (await miniGsm.load())
    .map((item, i) => ({ ...item, i }))
    .slice(first, first + limit)
    .filter(({ i }) => !(i >= from && i <= to));
  const names = methods === "" ? METHODS.map(([name]) => name) : methods.split(";");
  const chosen = METHODS.filter(([name]) => names.includes(name));
  const seeds = Array.from({ length: runs }, (_, run) => seed + run);
  const rows = chosen.map(([name]) => ({ name, outcomes: [], won: 0, lost: 0 }));
  for (const [done, item] of items.entries()) {
    const drawn = rows.map(() => []);
    for (const own of seeds) {
      for (const [m, [name, method, options]] of chosen.entries()) {
        const outcome = await kept.get(`${name} ${own} ${item.i}`, () =>
          drawOne(model, item, method, { ...options, seed: own * 1_000_003 + item.i }),
        );
        const right = Number(outcome.answer === item.gold);
        const share = outcome.votes === undefined ? right : (outcome.votes[item.gold] ?? 0);
        drawn[m].push({ ...outcome, right, share });
      }
    }
    for (const [m, row] of rows.entries()) {
      const gained = drawn[m].map(({ right }, run) => right - drawn[0][run].right);
      row.won += gained.filter((gain) => gain > 0).length;
      row.lost += gained.filter((gain) => gain < 0).length;
      row.outcomes.push(meansOf(drawn[m]));
    }
    showProgress(`${done + 1}/${items.length}`, done + 1 === items.length);
  }
  await model.dispose();
  const [baseline] = rows;
  const ours = rows.findLast(({ name }) => name.startsWith("particle")) ?? baseline;
  const seconds = ({ outcomes }) => mean(outcomes.map(({ ms }) => ms)) / 1000;
  return {
    title: `p^${ALPHA}: moves of one text, and particles`,
    note: `mini-gsm, ${items.length} held-out items, ${runs === 1 ? `seed ${seed}` : `${runs} runs of each from seed ${seed} on`}; log p is a text's mean, with the difference's 95% interval by the normal law; won : lost against ${baseline.name}, with ${runs === 1 ? "Tango's" : "the"} 95% interval of the difference; "by weights" is that of the weight that the particles give the right answer, which is the probability that the text drawn is right; tokens and seconds of the processor are an item's.`,
    columns: [
      ...[
        "method",
        "log p",
        "difference",
        "accuracy %",
        "95% interval",
        "won : lost",
        "difference",
      ],
      ...["by weights", "drawn", "decoded", "s"],
    ],
    rows: rows.map((row) => summarise(row, baseline, runs)),
    ratio: seconds(baseline) / seconds(ours),
    ours: 1000 * seconds(ours),
    theirs: 1000 * seconds(baseline),
    unit: `ms of the processor an item: ${ours.name}, and ${baseline.name}`,
  };
}

async function drawOne(model, item, method, options) {
  const before = process.cpuUsage();
  const result = await method(model, item.prompt, options);
  const { user, system } = process.cpuUsage(before);
  const [{ rawLogProbs }] = await model.score(item.prompt, [result.tokens]);
  return {
    answer: result.answer,
    logProb: rawLogProbs.reduce((a, b) => a + b, 0),
    generated: result.usage.generated,
    decoded: result.usage.decoded,
    ms: (user + system) / 1000,
    ...(method === particle && populationOf(result.steps.at(-1))),
  };
}

/** Returns the last weights' share of each answer, and their effective sample size. */
function populationOf({ candidates, weights, ess }) {
  const votes = {};
  for (const [i, { text }] of candidates.entries()) {
    const found = miniGsm.extract(text);
    const answer = found === null ? "" : canonicalAnswer(found);
    votes[answer] = (votes[answer] ?? 0) + weights[i];
  }
  return { votes, ess };
}

/** Returns the means of an item's runs. */
function meansOf(drawn) {
  const keys = ["right", "share", "logProb", "generated", "decoded", "ms"];
  return Object.fromEntries(keys.map((key) => [key, mean(drawn.map((outcome) => outcome[key]))]));
}

function summarise({ name, outcomes, won, lost }, baseline, runs) {
  const n = outcomes.length;
  const pairedBy = (key) =>
    meanInterval(outcomes.map((outcome, i) => outcome[key] - baseline.outcomes[i][key]));
  const meanOf = (key) => mean(outcomes.map((outcome) => outcome[key]));
  const logProbs = pairedBy("logProb");
  const shares = pairedBy("share");
  const rights = meanInterval(outcomes.map(({ right }) => right));
  return [
    ...[name, fixed(meanOf("logProb"), 2)],
    `[${logProbs.ci95.map((end) => fixed(end, 2)).join(", ")}]`,
    percent(rights.mean),
    interval(runs === 1 ? wilson(n * rights.mean, n) : rights.ci95),
    `${won} : ${lost}`,
    interval(runs === 1 ? tangoInterval(won, lost, n) : pairedBy("right").ci95),
    `${percent(shares.mean)} ${interval(shares.ci95)}`,
    ...[fixed(meanOf("generated"), 0), fixed(meanOf("decoded"), 0), fixed(meanOf("ms") / 1000, 2)],
  ];
}
