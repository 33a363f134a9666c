// Draws M·K completions of one prompt with llama-ets.
import { loadModel } from "llama-ets";
import { answer, childSettings } from "../lib/child.mjs";
import { countTokens, drawTexts, leaseContext, prefilled, randomPrompt } from "../lib/drawing.mjs";

const { file, gpu, threads, promptTokens, length, count } = childSettings();
const model = await loadModel(file, { gpu, threads });
const started = performance.now();
const room = { promptTokens, maxTokens: length, parallel: Math.min(count, 32) };
const context = await leaseContext(model, room);
const parent = await prefilled(context, randomPrompt(promptTokens));
const drawn = await drawTexts(model, context, [parent], { count, length, keep: false });
const ms = performance.now() - started;
const { prefilled: prefilledTokens, usedCells } = await context.status();
await model.release(context);
await model.dispose();
answer({ ms, prefilled: prefilledTokens, usedCells, tokens: countTokens(drawn) });
