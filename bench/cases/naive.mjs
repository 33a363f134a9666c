import { ets, loadModel } from "llama-ets";
import { countTokens, drawTexts, free, randomPrompt } from "../lib/drawing.mjs";
import { randomModel } from "../lib/random-model.mjs";
import { fixed } from "../lib/table.mjs";
import { threadCount } from "../lib/threads.mjs";

/** The number of concurrent continuations on both sides. */
const PARALLEL = 32;

/**
 * Compares `ets()` with the call pattern of the published algorithm on the same primitives. There each step
 * prefills the prompt and the text so far again for each candidate and each rollout. It also prefills the
 * complete candidates of the last step, although their rollouts have nothing left to draw. Both sides draw
 * the same number of texts of the same lengths with the same batch size. The naive side uses llama.cpp's
 * attention.
 */
export async function naive({ quick, threads, gpu, scale }) {
  const file = await randomModel(quick ? "qwen3-tiny" : "qwen3-0.6b");
  const model = await loadModel(file, { gpu, threads: threads ?? "auto" });
  const shrink = quick ? 1 / 16 : scale;
  const [M, K, I] = quick ? [2, 2, 2] : [8, 4, 4];
  const shape = { M, K, I, promptTokens: 512 * shrink, length: 256 * shrink };
  const ours = await guided(model, shape);
  const theirs = await published(model, shape);
  await model.dispose();
  const row = (name, r) => [name, r.prefilled, r.generated, fixed(r.ms / 1000, 1)];
  return {
    title: "Naive: the published call pattern",
    ratio: theirs.ms / ours.ms,
    ours: ours.ms / 1000,
    theirs: theirs.ms / 1000,
    unit: "seconds an answer",
    note: `${model.info.description}, M = ${M}, K = ${K}, I = ${I}, prompt of ${shape.promptTokens} tokens, answers of ${shape.length}, ${PARALLEL} side by side, ${threadCount(model.threads)}. Random texts hardly ever end early or repeat; where they do, ETS's exact savings show in the tokens generated.`,
    columns: ["", "prefilled", "generated", "seconds"],
    rows: [
      row("ets()", ours),
      row("published pattern", theirs),
      [
        "ratio",
        fixed(theirs.prefilled / ours.prefilled, 1),
        fixed(theirs.generated / ours.generated, 2),
        fixed(theirs.ms / ours.ms, 2),
      ],
    ],
    details: { shape, ours, theirs },
  };
}

async function guided(model, { M, K, I, promptTokens, length }) {
  const { usage, steps } = await ets(model, randomPrompt(promptTokens), {
    candidates: M,
    rollouts: K,
    steps: I,
    maxTokens: length,
    temperature: 0.7,
    reward: () => 0,
  });
  if (steps.length !== I) throw new Error(`Expected ${I} steps, got ${steps.length}`);
  return { ms: usage.ms, prefilled: usage.prefilled, generated: usage.generated };
}

async function published(model, { M, K, I, promptTokens, length }) {
  const block = Math.ceil(length / I);
  const cells = (promptTokens + length) * M * K;
  const context = await model.lease({ cells, sequences: M * K * 2, flashAttention: "engine" });
  const started = performance.now();
  let prefilled = 0;
  let generated = 0;
  let prefix = randomPrompt(promptTokens);
  // Each text has its own copy of everything before it.
  const draw = async (prefixes, tokens, seed) => {
    const parents = [];
    for (const _ of prefixes) parents.push(await context.create());
    await context.prefill(parents.map((sequence, i) => ({ sequence, tokens: prefixes[i] })));
    prefilled += prefixes.reduce((sum, { length }) => sum + length, 0);
    const texts =
      tokens === 0
        ? []
        : await drawTexts(model, context, parents, { length: tokens, keep: false, seed });
    generated += countTokens(texts);
    await free(parents);
    return texts;
  };
  for (let step = 0; step < I; step++) {
    const candidates = await draw(Array(M).fill(prefix), block, 2 * step);
    const states = candidates.map((tokens) => Int32Array.of(...prefix, ...tokens));
    const left = length - (step + 1) * block;
    await draw(
      states.flatMap((state) => Array(K).fill(state)),
      left,
      2 * step + 1,
    );
    prefix = states[step % M];
  }
  const ms = performance.now() - started;
  await model.release(context);
  return { ms, prefilled, generated };
}
