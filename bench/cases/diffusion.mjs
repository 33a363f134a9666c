import { appendFile, readFile } from "node:fs/promises";
import { beam, ets, loadModel, majority, miniGsm, sample, selfConsistency } from "llama-ets";
import { showProgress } from "../lib/progress.mjs";
import { wilson } from "../lib/statistics.mjs";
import { fixed, interval, percent } from "../lib/table.mjs";

const ITEMS = new URL("../../models/mini-gsm-test.jsonl", import.meta.url);
/** The hardest level that the bundled diffusion model was trained for. */
const HARDEST_LEVEL = 2;

export const diffusionOptions = {
  limit: 200,
  seed: 0,
  model: "mini-gsm-llada",
  temperature: 0.7,
  votes: 8,
  candidates: 4,
  cachedCandidates: 4,
  width: 2,
  out: "",
};

/**
 * Measures the accuracy of sample, majority, ETS, ETS-IS with Fast-dLLM's rollouts and beam search on
 * held-out mini-gsm items, with one diffusion model and one thread. Choose the numbers of texts so that all
 * methods except sample take the same CPU time, which the table shows.
 */
export async function diffusion(given) {
  const options = { ...diffusionOptions, ...given };
  const methods = methodsOf(options);
  const model = await loadModel(options.model, { threads: 1 });
  const items = await loadItems(options.limit);
  const known = await readRows(options.out);
  const rows = [];
  // All methods run item by item, so that other load on the machine affects all of them equally.
  for (const [i, item] of items.entries()) {
    const seed = options.seed * 1_000_003 + i;
    for (const [method, { run, isCached, ...settings }] of Object.entries(methods)) {
      const key = JSON.stringify([method, item.id, seed, options.model, options.temperature]);
      const row = known.get(key) ?? (await measure());
      rows.push({ ...row, method });

      async function measure() {
        const all = { ...settings, seed, ...(isCached && { proposal: model }) };
        const before = process.cpuUsage();
        const result = await run(model, item.prompt, all);
        const { user, system } = process.cpuUsage(before);
        const ms = (user + system) / 1000;
        const measured = { key, ms, ...numbersOf(result), isRight: result.answer === item.gold };
        if (options.out !== "") await appendFile(options.out, `${JSON.stringify(measured)}\n`);
        return measured;
      }
    }
    showProgress(`${i + 1}/${items.length}`, i + 1 === items.length);
  }
  await model.dispose();
  return tableOf(methods, rows, options, items.length);
}

function methodsOf({ temperature, votes, candidates, cachedCandidates, width }) {
  const { extract, answerEnd } = miniGsm;
  const shared = { extract, temperature, maxTokens: 56, diffusion: { blockLength: 8 } };
  const guided = { ...shared, reward: selfConsistency({ extract, answerEnd }), blockTokens: 16 };
  return {
    sample: { run: sample, ...shared },
    [`majority@${votes}`]: { run: majority, ...shared, candidates: votes },
    [`ets, M = ${candidates}`]: { run: ets, ...guided, candidates },
    [`ets-is, M = ${cachedCandidates}`]: {
      run: ets,
      isCached: true,
      ...guided,
      candidates: cachedCandidates,
    },
    [`beam, W = ${width}`]: { run: beam, ...shared, temperature: 1, candidates: width },
  };
}

async function loadItems(limit) {
  const items = await miniGsm.load();
  const lines = (await readFile(ITEMS, "utf8")).trim().split("\n");
  const isEasy = (_, i) => JSON.parse(lines[i]).level <= HARDEST_LEVEL;
  return items.filter(isEasy).slice(0, limit);
}

/** Reads the rows of an earlier run. An incomplete last line is measured again. */
async function readRows(file) {
  if (file === "") return new Map();
  const text = await readFile(file, "utf8").catch((error) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  const rows = whole.split("\n").filter((line) => line !== "");
  return new Map(rows.map(JSON.parse).map((row) => [row.key, row]));
}

function numbersOf({ usage, proposalUsage }) {
  const positionsOf = ({ prefilled, decoded }) => prefilled + decoded;
  return {
    passes: usage.passes + (proposalUsage?.passes ?? 0),
    positions: positionsOf(usage) + (proposalUsage ? positionsOf(proposalUsage) : 0),
  };
}

function tableOf(methods, rows, { seed, temperature, model }, n) {
  const results = Object.keys(methods).map((method) => {
    const own = rows.filter((row) => row.method === method);
    const mean = (name) => own.reduce((sum, row) => sum + row[name], 0) / own.length;
    const right = own.filter(({ isRight }) => isRight).length;
    return {
      method,
      n,
      accuracy: right / n,
      ci95: wilson(right, n),
      msPerItem: mean("ms"),
      passes: mean("passes"),
      positions: mean("positions"),
    };
  });
  const [, voting, guided] = results;
  return {
    title: "Diffusion: accuracy at equal CPU time",
    ratio: guided.accuracy / voting.accuracy,
    ours: 100 * guided.accuracy,
    theirs: 100 * voting.accuracy,
    unit: `% right: ${guided.method}; ${voting.method}`,
    note: `mini-gsm levels 1 and 2, ${n} held-out items, seed ${seed}, temperature ${temperature} (beam: 1), ${model}, one thread.`,
    columns: [
      "method",
      "accuracy %",
      "95% interval",
      "CPU ms/item",
      "passes/item",
      "positions/item",
    ],
    rows: results.map((r) => [
      ...[r.method, percent(r.accuracy), interval(r.ci95), fixed(r.msPerItem, 0)],
      ...[fixed(r.passes, 0), fixed(r.positions, 0)],
    ]),
    details: results,
  };
}
