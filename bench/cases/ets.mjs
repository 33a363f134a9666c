import { ets as guide, loadModel, sample } from "llama-ets";
import { randomPrompt } from "../lib/drawing.mjs";
import { randomModel } from "../lib/random-model.mjs";
import { fixed } from "../lib/table.mjs";
import { threadCount } from "../lib/threads.mjs";

/** The paper's M, K and I for reasoning: blocks of 64 tokens, answers of 512. */
const PAPER = { candidates: 10, rollouts: 3, steps: 8 };
const QUICK = { candidates: 2, rollouts: 2, steps: 2 };

/**
 * Measures how many times as long an answer by ETS takes as one sample of the same length, which is how the
 * paper reports cost. The ratio is the saving by batching and shared prefixes: the time of the same number of
 * tokens, drawn one text after another, over the time of ETS.
 */
export async function ets({ quick, threads, gpu, scale }) {
  const file = await randomModel(quick ? "qwen3-tiny" : "qwen3-0.6b");
  const model = await loadModel(file, { gpu, threads: threads ?? "auto" });
  try {
    const shape = quick ? QUICK : PAPER;
    const shrink = quick ? 1 / 16 : scale;
    const [promptTokens, maxTokens] = [512 * shrink, 512 * shrink];
    const prompt = randomPrompt(promptTokens);
    const { place } = model.describe();
    // Random weights give an end token about once in 50,000 draws. Such a sample is drawn again with another
    // seed.
    const drawWhole = async (seed) => {
      const { usage } = await sample(model, prompt, {
        maxTokens,
        temperature: 0.7,
        seed,
        prefixCache: false,
      });
      return usage.generated === maxTokens ? usage : drawWhole(seed + 1);
    };
    const one = await drawWhole(0);
    const { usage, steps } = await guide(model, prompt, {
      ...shape,
      maxTokens,
      temperature: 0.7,
      seed: 0,
      prefixCache: false,
      reward: () => 0,
    });
    if (steps.length !== shape.steps) {
      throw new Error(`Expected ${shape.steps} steps, got ${steps.length}`);
    }
    const alone = (one.ms * usage.generated) / one.generated;
    const row = (name, { generated, ms }) => [
      ...[name, generated, fixed(ms / 1000, 2), fixed(generated / (ms / 1000), 1)],
      fixed(ms / one.ms, 2),
    ];
    const { candidates: M, rollouts: K, steps: I } = shape;
    return {
      title: "ETS: its time over one sample's",
      ratio: alone / usage.ms,
      ours: usage.ms / 1000,
      theirs: alone / 1000,
      unit: "seconds an answer, theirs as many tokens one by one",
      timesOneSample: usage.ms / one.ms,
      note: `${model.info.description} on the ${place.toUpperCase()}, M = ${M}, K = ${K}, I = ${I}, prompt of ${promptTokens} tokens, answers of ${maxTokens}, ${threadCount(model.threads)}; the prompt is read in both times.`,
      columns: ["", "generated", "seconds", "tokens/s", "over one sample"],
      rows: [row("one sample", one), row("ets()", usage)],
      details: { shape, promptTokens, maxTokens, one, ets: usage },
    };
  } finally {
    await model.dispose();
  }
}
