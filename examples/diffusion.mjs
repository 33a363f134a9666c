/** A diffusion model: its answer is unmasked, not written from left to right. Run: node examples/diffusion.mjs */
import { ets, loadModel } from "llama-ets";

const model = await loadModel("mini-gsm-llada");
const question = "Sam has 12 apples and eats 5. How many are left?";
const result = await ets(model, question, {
  ...{ candidates: 4, rollouts: 2, maxTokens: 32, seed: 1 },
  diffusion: { blockLength: 16, remasking: "low-confidence" },
});
console.log(`answer: ${result.answer}`);
console.log(`denoising passes decoded ${result.usage.decoded} tokens`);
await model.dispose();
