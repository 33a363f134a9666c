/** An answer that is JSON by a schema. Run: node examples/json-answer.mjs [model] */
import { loadModel, sample } from "llama-ets";

const model = await loadModel(process.argv[2] ?? "mini-gsm-ref");
const schema = {
  type: "object",
  properties: { animal: { enum: ["hen", "duck"] }, isBird: { type: "boolean" } },
  required: ["animal", "isBird"],
  additionalProperties: false,
};
const result = await sample(model, "Name an animal.", {
  constraint: { json: schema },
  maxTokens: 200,
  seed: 1,
});
console.log(JSON.parse(result.text));
await model.dispose();
