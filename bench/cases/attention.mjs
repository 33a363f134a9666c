import { loadModel } from "llama-ets";
import { fastestAttention } from "../../dist/planning/attention.js";
import { countTokens, drawTexts, prefilled, randomPrompt } from "../lib/drawing.mjs";
import { showProgress } from "../lib/progress.mjs";
import { randomModel } from "../lib/random-model.mjs";
import { median } from "../lib/statistics.mjs";
import { threadCount } from "../lib/threads.mjs";

const LENGTH = 32;

/** The demand for which a context is planned. */
const FLASH_ATTENTION = { shared: true, flash: "engine", product: false };

/**
 * Compares decoding with our own attention (which reads shared prefixes once), with llama.cpp's flash
 * attention and with its matrix product. The ratio is the speed of the planner's choice over the better of
 * the others. Each kind has its own context with the prompt, and they draw in turn. On one thread speeds are
 * tokens per second of CPU time, so that other processes disturb them less.
 */
export async function attention({ quick, threads, rounds, counts }) {
  const file = await randomModel(quick ? "qwen3-tiny" : "qwen3-0.6b");
  const model = await loadModel(file, { gpu: false, threads: threads ?? "auto" });
  const { sharesAttention } = model.freeMemory();
  const kinds = sharesAttention ? ["shared", "flash", "product"] : ["flash", "product"];
  const repeats = rounds ?? (quick ? 1 : 5);
  const rows = [];
  for (const promptTokens of quick ? [64] : [64, 256, 512, 2048]) {
    for (const parallel of counts ?? (quick ? [4] : [1, 8, 32])) {
      const { heads, kvHeads } = model.info;
      const shape = {
        promptTokens,
        parallel,
        held: 1,
        heldTokens: 0,
        continuedTokens: LENGTH,
        group: heads / kvHeads,
      };
      const chosen = fastestAttention(shape, kinds);
      const measured = await measure(model, kinds, repeats, { promptTokens, parallel });
      const speeds = Object.fromEntries(kinds.map((kind, i) => [kind, median(measured[i])]));
      const others = Math.max(...kinds.filter((kind) => kind !== chosen).map((k) => speeds[k]));
      const ratio = speeds[chosen] / others;
      rows.push({ promptTokens, parallel, speeds, measured, chosen, others, ratio });
    }
  }
  showProgress("", true);
  await model.dispose();
  const worst = rows.reduce((a, b) => (b.ratio < a.ratio ? b : a));
  const own = rows.filter(({ chosen }) => chosen === "shared");
  const average = own.reduce((sum, { ratio }) => sum + ratio, 0) / own.length;
  return {
    title: "Attention: the planner's choice against the others",
    ratio: worst.ratio,
    ours: worst.speeds[worst.chosen],
    theirs: worst.others,
    unit: `tokens/s with a prompt of ${worst.promptTokens} and N = ${worst.parallel}, the worst`,
    note:
      `${model.info.description}, texts of ${LENGTH} tokens, ${threadCount(model.threads)}, medians of ${repeats}.` +
      (own.length === 0 ? "" : ` Where ours is chosen, ${average.toFixed(2)} on average.`),
    columns: ["prompt", "N", ...kinds.map((kind) => `${kind}, tokens/s`), "chosen", "ratio"],
    rows: rows.map(({ promptTokens, parallel, speeds, chosen, ratio }) => [
      ...[promptTokens, parallel, ...kinds.map((kind) => speeds[kind].toFixed(1))],
      ...[chosen, ratio.toFixed(2)],
    ]),
    details: rows,
  };
}

/** Returns the tokens per second of each kind in each round. */
async function measure(model, kinds, repeats, { promptTokens, parallel }) {
  const cells = promptTokens + parallel * LENGTH;
  const contexts = [];
  try {
    const parents = [];
    for (const kind of kinds) {
      const flashAttention = FLASH_ATTENTION[kind];
      const context = await model.lease({ cells, sequences: parallel + 1, flashAttention });
      contexts.push(context);
      parents.push(await prefilled(context, randomPrompt(promptTokens)));
    }
    const measured = kinds.map(() => []);
    for (let round = 0; round < repeats; round++) {
      showProgress(`attention: prompt of ${promptTokens}, N = ${parallel}, round ${round + 1}`);
      for (const [i, context] of contexts.entries()) {
        measured[i].push(await speedOf(model, context, parents[i], parallel));
      }
    }
    return measured;
  } finally {
    for (const context of contexts) await model.release(context);
  }
}

async function speedOf(model, context, parent, parallel) {
  const seconds = model.threads === 1 ? processSeconds : wallSeconds;
  const started = seconds();
  const drawn = await drawTexts(model, context, [parent], {
    count: parallel,
    length: LENGTH,
    keep: false,
  });
  return countTokens(drawn) / (seconds() - started);
}

function processSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function wallSeconds() {
  return performance.now() / 1000;
}
