// Draws M·K completions of one prompt with node-llama-cpp's public API: one sequence each, in
// parallel, batched by its context.
import { getLlama } from "node-llama-cpp";
import { answer, childSettings } from "../lib/child.mjs";
import { randomPrompt } from "../lib/drawing.mjs";

const { file, gpu, threads, promptTokens, length, count } = childSettings();
const llama = await getLlama({
  gpu,
  build: "never",
  maxThreads: threads,
  progressLogs: false,
});
const model = await llama.loadModel({ modelPath: file });
const prompt = [...randomPrompt(promptTokens)];
const started = performance.now();
const context = await model.createContext({
  sequences: count,
  contextSize: promptTokens + length,
  threads: { ideal: threads, min: threads },
});
const texts = await Promise.all(
  Array.from({ length: count }, async (_, i) => {
    const tokens = [];
    const options = { temperature: 0.7, seed: i + 1, yieldEogToken: true };
    for await (const token of context.getSequence().evaluate(prompt, options)) {
      tokens.push(token);
      if (tokens.length === length) break;
    }
    return tokens;
  }),
);
const ms = performance.now() - started;
const tokens = texts.reduce((sum, text) => sum + text.length, 0);
answer({ ms, prefilled: promptTokens * count, tokens });
process.exit(0);
