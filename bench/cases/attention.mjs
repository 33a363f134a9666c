import { loadModel } from "llama-ets";
import { paysFlashAttention } from "../../dist/planning/attention.js";
import { countTokens, drawTexts, prefilled, randomPrompt } from "../lib/drawing.mjs";
import { showProgress } from "../lib/progress.mjs";
import { randomModel } from "../lib/random-model.mjs";
import { median } from "../lib/statistics.mjs";
import { threadCount } from "../lib/threads.mjs";

const LENGTH = 32;

/** The demand that a context is planned for. */
const FLASH_ATTENTION = { shared: true, flash: "engine", product: false };

/**
 * Decoding with attention of our own, which reads what texts share once, with llama.cpp's flash
 * attention and with its product of matrices: the speed of the planner's choice against the better
 * of the others, measured in turn.
 */
export async function attention({ quick, threads, rounds, counts }) {
  const file = await randomModel(quick ? "qwen3-tiny" : "qwen3-0.6b");
  const model = await loadModel(file, { gpu: false, threads: threads ?? "auto" });
  const { sharesAttention } = model.freeMemory();
  const kinds = sharesAttention ? ["shared", "flash", "product"] : ["flash", "product"];
  const repeats = rounds ?? (quick ? 1 : 3);
  const rows = [];
  for (const promptTokens of quick ? [64] : [64, 256, 512, 2048]) {
    for (const parallel of counts ?? (quick ? [4] : [1, 4, 8, 16, 32, 64])) {
      showProgress(`attention: prompt of ${promptTokens}, N = ${parallel}`);
      const measured = new Map(kinds.map((kind) => [kind, []]));
      for (let round = 0; round < repeats; round++) {
        for (const kind of kinds) {
          measured.get(kind).push(await speedOf(model, promptTokens, parallel, kind));
        }
      }
      const speeds = new Map([...measured].map(([kind, list]) => [kind, median(list)]));
      const shape = { promptTokens, parallel, held: 1, heldTokens: 0, continuedTokens: LENGTH };
      const engines = paysFlashAttention(shape) ? "flash" : "product";
      const chosen = sharesAttention ? "shared" : engines;
      const others = Math.max(...kinds.filter((kind) => kind !== chosen).map((k) => speeds.get(k)));
      const ratio = speeds.get(chosen) / others;
      rows.push({
        promptTokens,
        parallel,
        speeds: Object.fromEntries(speeds),
        chosen,
        others,
        ratio,
      });
    }
  }
  showProgress("", true);
  await model.dispose();
  const worst = rows.reduce((a, b) => (b.ratio < a.ratio ? b : a));
  return {
    title: "Attention: the planner's choice against the others",
    ratio: worst.ratio,
    ours: worst.speeds[worst.chosen],
    theirs: worst.others,
    unit: `tokens/s with a prompt of ${worst.promptTokens} and N = ${worst.parallel}, the worst`,
    note: `${model.info.description}, texts of ${LENGTH} tokens, ${threadCount(model.threads)}, medians of ${repeats}.`,
    columns: ["prompt", "N", ...kinds.map((kind) => `${kind}, tokens/s`), "chosen", "ratio"],
    rows: rows.map(({ promptTokens, parallel, speeds, chosen, ratio }) => [
      ...[promptTokens, parallel, ...kinds.map((kind) => speeds[kind].toFixed(1))],
      ...[chosen, ratio.toFixed(2)],
    ]),
    details: rows,
  };
}

async function speedOf(model, promptTokens, parallel, kind) {
  const cells = promptTokens + parallel * LENGTH;
  const flashAttention = FLASH_ATTENTION[kind];
  const context = await model.lease({ cells, sequences: parallel + 1, flashAttention });
  try {
    const parent = await prefilled(context, randomPrompt(promptTokens));
    const started = performance.now();
    const drawn = await drawTexts(model, context, [parent], {
      ...{ count: parallel, length: LENGTH, keep: false },
    });
    return countTokens(drawn) / ((performance.now() - started) / 1000);
  } finally {
    await model.release(context);
  }
}
