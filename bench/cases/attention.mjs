import { loadModel } from "llama-ets";
import { paysFlashAttention } from "../../dist/engine/attention.js";
import { countTokens, drawTexts, prefilled, randomPrompt } from "../lib/drawing.mjs";
import { showProgress } from "../lib/progress.mjs";
import { randomModel } from "../lib/random-model.mjs";
import { median } from "../lib/statistics.mjs";
import { threadCount } from "../lib/threads.mjs";

const LENGTH = 32;

/**
 * Decoding with flash attention and without, where the planner chooses between them: the speed of
 * its choice against the other's, measured in turn.
 */
export async function attention({ quick, threads, rounds, counts }) {
  const file = await randomModel(quick ? "qwen3-tiny" : "qwen3-0.6b");
  const model = await loadModel(file, { gpu: false, threads: threads ?? "auto" });
  const repeats = rounds ?? (quick ? 1 : 3);
  const rows = [];
  for (const promptTokens of quick ? [64] : [64, 256, 512, 2048]) {
    for (const parallel of counts ?? (quick ? [4] : [1, 4, 8, 16, 32, 64])) {
      showProgress(`attention: prompt of ${promptTokens}, N = ${parallel}`);
      const speeds = { flash: [], product: [] };
      for (let round = 0; round < repeats; round++) {
        speeds.flash.push(await speedOf(model, promptTokens, parallel, true));
        speeds.product.push(await speedOf(model, promptTokens, parallel, false));
      }
      const [flash, product] = [median(speeds.flash), median(speeds.product)];
      const shape = { promptTokens, parallel, held: 1, heldTokens: 0, continuedTokens: LENGTH };
      const isFlash = paysFlashAttention(shape);
      const ratio = isFlash ? flash / product : product / flash;
      rows.push({ promptTokens, parallel, flash, product, isFlash, ratio });
    }
  }
  showProgress("", true);
  await model.dispose();
  const worst = rows.reduce((a, b) => (b.ratio < a.ratio ? b : a));
  return {
    title: "Attention: the planner's choice against the other",
    ratio: worst.ratio,
    ours: worst.isFlash ? worst.flash : worst.product,
    theirs: worst.isFlash ? worst.product : worst.flash,
    unit: `tokens/s with a prompt of ${worst.promptTokens} and N = ${worst.parallel}, the worst`,
    note: `${model.info.description}, texts of ${LENGTH} tokens, ${threadCount(model.threads)}, medians of ${repeats}.`,
    columns: ["prompt", "N", "flash, tokens/s", "product, tokens/s", "chosen", "ratio"],
    rows: rows.map((r) => [
      ...[r.promptTokens, r.parallel, r.flash.toFixed(1), r.product.toFixed(1)],
      ...[r.isFlash ? "flash" : "product", r.ratio.toFixed(2)],
    ]),
    details: rows,
  };
}

async function speedOf(model, promptTokens, parallel, flashAttention) {
  const cells = promptTokens + parallel * LENGTH;
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
