import { greedy, loadModel, miniGsm, particle, power } from "llama-ets";
import { tangoInterval } from "../../dist/evaluate/statistics/paired.js";
import { showProgress } from "../lib/progress.mjs";
import { wilson } from "../lib/statistics.mjs";
import { fixed, interval, percent } from "../lib/table.mjs";

const ALPHA = 4;
const SHARED = { extract: miniGsm.extract, maxTokens: 120 };
const SMC = { ...SHARED, alpha: ALPHA, temperature: 1, blockTokens: 16 };
/** Metropolis-Hastings at its defaults: 16 blocks, 10 moves at each. */
const MH = { ...SHARED, alpha: ALPHA };

/** What others are held against. */
const BASELINE = "power, uniform";
const OURS = "particle, 64";
const METHODS = [
  [BASELINE, power, { ...MH, cuts: "uniform" }],
  ["power, entropy", power, { ...MH, cuts: "entropy" }],
  ...[8, 16, 32, 64].map((n) => [`particle, ${n}`, particle, { ...SMC, candidates: n }]),
  ["greedy", greedy, SHARED],
];

/**
 * Two ways to p^4 on held-out mini-gsm items, item by item over all methods: moves of one text, cut
 * uniformly or by entropy, and particles in one batch. A text's log p is the model's own, at temperature
 * 1; differences are paired, with Tango's interval. Seconds are of the processor's time, which other work
 * on the machine doesn't add to.
 */
export async function powers({ limit = 200, quick }) {
  const model = await loadModel("mini-gsm-ref");
  const items = (await miniGsm.load()).slice(0, quick ? 2 : limit);
  const rows = METHODS.map(([name, method, options]) => {
    return { name, method, options, right: [], logProbs: [], generated: 0, decoded: 0, ms: 0 };
  });
  for (const [i, item] of items.entries()) {
    for (const row of rows) {
      const before = process.cpuUsage();
      const result = await row.method(model, item.prompt, { ...row.options, seed: i });
      const { user, system } = process.cpuUsage(before);
      const texts = [result.tokens];
      const [{ rawLogProbs }] = await model.score(item.prompt, texts);
      row.right.push(result.answer === item.gold);
      row.logProbs.push(rawLogProbs.reduce((a, b) => a + b, 0));
      row.generated += result.usage.generated;
      row.decoded += result.usage.decoded;
      row.ms += (user + system) / 1000;
    }
    showProgress(`${i + 1}/${items.length}`, i + 1 === items.length);
  }
  await model.dispose();
  const [baseline] = rows;
  const best = rows.find(({ name }) => name === OURS);
  return {
    title: `p^${ALPHA}: moves of one text, and particles`,
    note: `mini-gsm, ${items.length} held-out items; log p is a text's mean, tokens and seconds of the processor are an item's; won : lost against ${BASELINE}, with Tango's 95% interval of the difference.`,
    columns: [
      "method",
      "log p",
      "accuracy %",
      "95% interval",
      "won : lost",
      "difference",
      "drawn",
      "decoded",
      "s",
    ],
    rows: rows.map((row) => Object.values(summarise(row, baseline))),
    ...{
      ratio: baseline.ms / best.ms,
      ours: best.ms / items.length,
      theirs: baseline.ms / items.length,
    },
    unit: `ms of the processor an item: ${OURS}, and ${BASELINE}`,
  };
}

function summarise({ name, right, logProbs, generated, decoded, ms }, baseline) {
  const n = right.length;
  const count = right.filter(Boolean).length;
  const won = right.filter((is, i) => is && !baseline.right[i]).length;
  const lost = right.filter((is, i) => !is && baseline.right[i]).length;
  return {
    name,
    logProb: fixed(logProbs.reduce((a, b) => a + b, 0) / n, 2),
    accuracy: percent(count / n),
    interval: interval(wilson(count, n)),
    pairs: `${won} : ${lost}`,
    difference: interval(tangoInterval(won, lost, n)),
    drawn: Math.round(generated / n),
    decoded: Math.round(decoded / n),
    seconds: fixed(ms / n / 1000, 2),
  };
}
