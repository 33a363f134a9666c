// Draws one answer by ets() with I steps.
import { ets, loadModel } from "llama-ets";
import { answer, childSettings } from "../lib/child.mjs";
import { randomPrompt } from "../lib/drawing.mjs";

const { file, threads, promptTokens, length, candidates, steps } = childSettings();
const model = await loadModel(file, { gpu: false, threads });
const { usage } = await ets(model, randomPrompt(promptTokens), {
  candidates,
  rollouts: 1,
  steps,
  maxTokens: length,
  reward: () => 0,
});
await model.dispose();
answer({ ms: usage.ms, prefilled: usage.prefilled, tokens: usage.generated });
