// Measures the time from the start of the process to the first token of the bundled model, and prints when it
// was drawn.
import { loadModel, sample } from "llama-ets";
import { answer } from "../lib/child.mjs";

const model = await loadModel("mini-gsm-ref", { gpu: false });
const { tokens } = await sample(model, "What is 2 + 3?", { maxTokens: 1 });
if (tokens.length !== 1) throw new Error(`Expected 1 token, got ${tokens.length}`);
answer({ at: performance.timeOrigin + performance.now() });
await model.dispose();
