/** A reward of your own: short texts are worth more. Run: node examples/own-reward.mjs */
import { bestOfN, loadModel } from "llama-ets";

const model = await loadModel("mini-gsm-ref");
const question = "Mia has 4 books. She buys 3 more books. How many books does Mia have now?";
const result = await bestOfN(model, question, {
  candidates: 4,
  reward: ({ text }) => -text.length / 100,
  seed: 1,
});
console.log(result.text.trim());
console.log(`reward: ${result.reward}`);
await model.dispose();
