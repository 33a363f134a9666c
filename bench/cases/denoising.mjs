import { loadModel } from "llama-ets";
import { randomPrompt, sampling } from "../lib/drawing.mjs";
import { randomModel } from "../lib/random-model.mjs";
import { median } from "../lib/statistics.mjs";

const SHAPE = { prompt: 128, length: 384, blockLength: 32 };
const QUICK = { prompt: 16, length: 48, blockLength: 8 };
/** With random weights all confidences are near 0, and this factor then unmasks three positions per pass. */
const FACTOR = 4;

/**
 * Measures the denoising of the middle block of a diffusion model's answer: without a cache, with Fast-dLLM's
 * prefix and dual caches, and with parallel decoding in addition. It measures CPU time on one thread, so that
 * other processes disturb little. A cached block includes the full pass at its beginning.
 */
export async function denoising({ quick, rounds }) {
  const shape = quick ? QUICK : SHAPE;
  const file = await randomModel(quick ? "llada-tiny" : "llada-0.3b");
  const model = await loadModel(file, { gpu: false, threads: 1 });
  try {
    const results = [];
    for (let round = 0; round < (rounds ?? (quick ? 1 : 3)); round++) {
      results.push(await measure(model, shape, quick));
    }
    return describe(shape, results);
  } finally {
    await model.dispose();
  }
}

async function measure(model, shape, quick) {
  // Every uncached pass costs the same, so a few are enough.
  const uncachedSteps = quick ? 2 : 4;
  const parallel = { factor: FACTOR };
  return {
    none: await denoiseBlock(model, shape, { cache: "none", steps: uncachedSteps }),
    prefix: await denoiseBlock(model, shape, { cache: "prefix" }),
    dual: await denoiseBlock(model, shape, { cache: "dual" }),
    parallel: await denoiseBlock(model, shape, { cache: "dual", parallel }),
  };
}

/** Returns the CPU milliseconds per unmasked position, and the positions per pass. */
async function denoiseBlock(model, { prompt, length, blockLength }, how) {
  const { cache, parallel, steps = blockLength } = how;
  const context = await model.openDenoiser({ length: prompt + length, texts: 1, cache });
  try {
    const from = Math.floor(length / blockLength / 2) * blockLength;
    const tokens = new Int32Array(length).fill(context.maskToken);
    tokens.set(randomPrompt(from));
    const started = process.cpuUsage();
    const [text] = await context.denoise({
      prompt: randomPrompt(prompt),
      texts: [{ tokens, stream: [0, 0, 0] }],
      schedule: { blockLength, steps: length, from, to: from + steps },
      sampling: sampling(model),
      key: [0, 0],
      remasking: "low-confidence",
      stopAtEnd: false,
      ...(parallel && { parallel }),
    });
    const { user, system } = process.cpuUsage(started);
    const unmasked = text.order.filter((step) => step >= 0).length;
    return { ms: (user + system) / 1000 / unmasked, unmaskedPerPass: unmasked / text.steps };
  } finally {
    await context[Symbol.asyncDispose]();
  }
}

function describe({ prompt, length, blockLength }, results) {
  const names = ["none", "prefix", "dual", "parallel"];
  const of = (name) => median(results.map((result) => result[name].ms));
  const gain = (name) => median(results.map((result) => result.none.ms / result[name].ms));
  const perPass = results[0].parallel.unmaskedPerPass;
  const titles = {
    none: "none: every pass is full",
    prefix: "prefix cache",
    dual: "dual cache",
    parallel: `dual cache, ${perPass.toFixed(1)} positions a pass`,
  };
  return {
    title: "Denoising: Fast-dLLM's caches, against full passes",
    ratio: gain("parallel"),
    ours: of("parallel"),
    theirs: of("none"),
    unit: "milliseconds of CPU time for a position; lower is better",
    note: `A prompt of ${prompt} tokens, an answer of ${length} positions; its middle block of ${blockLength}, one position a pass, q8_0, one thread. Medians.`,
    columns: ["kept between passes", "ms a position", "gain"],
    rows: names.map((name) => [titles[name], of(name).toFixed(1), gain(name).toFixed(2)]),
    details: results,
  };
}
