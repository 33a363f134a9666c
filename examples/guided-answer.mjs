/** One guided answer of the bundled toy model. Run: node examples/guided-answer.mjs */
import { ets, loadModel } from "llama-ets";

const model = await loadModel("mini-gsm-ref");
const question =
  "On a farm Leo has 7 hens. He has 5 times as many ducks as hens. How many animals does Leo have now?";
const result = await ets(model, question, { candidates: 8, blockTokens: 16, seed: 1 });
console.log(`answer: ${result.answer}`);
console.log(`share of the texts that agree: ${result.agreement}`);
console.log(`tokens: ${result.usage.generated}`);
await model.dispose();
