/** A diffusion model: its answer is unmasked, not written from left to right. Run: node examples/diffusion.mjs */
import { ets, loadModel } from "llama-ets";

const model = await loadModel("mini-gsm-llada");
const question =
  "On a farm Rosa has 11 hens. She has 3 times as many ducks as hens. How many animals does Rosa have now?";
const result = await ets(model, question, {
  candidates: 4,
  rollouts: 2,
  maxTokens: 56,
  seed: 1,
  diffusion: { blockLength: 8, remasking: "low-confidence" },
});
console.log(`answer: ${result.answer}`);
console.log(`denoising passes decoded ${result.usage.decoded} tokens`);
await model.dispose();
