import { loadModel } from "llama-ets";
import {
  drawTexts,
  free,
  leaseContext,
  prefilled,
  randomPrompt,
  sampling,
} from "../lib/drawing.mjs";
import { randomModel } from "../lib/random-model.mjs";
import { median } from "../lib/statistics.mjs";

const PROMPT = 256;

/**
 * Compares scoring given texts (exact log-probabilities, packed into few decodes) with decoding the same
 * texts token by token, alone and batched. It shows what ETS-IS saves or loses by scoring.
 */
export async function scoring({ quick, threads, rounds }) {
  const measured = [];
  for (const type of ["q8_0", "f16"]) {
    const file = await randomModel(quick ? "qwen3-tiny" : "qwen3-0.6b", type);
    const model = await loadModel(file, { gpu: false, threads: threads ?? "auto" });
    try {
      measured.push({ type, ...(await measure(model, quick, rounds ?? (quick ? 1 : 3))) });
    } finally {
      await model.dispose();
    }
  }
  const worst = measured.reduce((a, b) => (b.ratio < a.ratio ? b : a));
  const { count, length } = worst;
  return {
    title: "Scoring: packed, against decoding token by token",
    ratio: worst.ratio,
    ours: worst.scored,
    theirs: worst.sideBySide,
    unit: `tokens/s, ${worst.type}; theirs: ${count} texts decoded side by side`,
    note: `${count} texts of ${length} tokens after a cached prompt of ${PROMPT}; alone, one of them is decoded. Both sides compute every token's logits; scoring also their log-sum-exp in double precision. Medians.`,
    columns: [
      "weights",
      "scored, tokens/s",
      "side by side, tokens/s",
      "ratio",
      "alone, tokens/s",
      "ratio",
    ],
    rows: measured.map((m) => [
      ...[m.type, m.scored.toFixed(1), m.sideBySide.toFixed(1), m.ratio.toFixed(2)],
      ...[m.alone.toFixed(1), (m.scored / m.alone).toFixed(2)],
    ]),
    details: measured,
  };
}

async function measure(model, quick, rounds) {
  const [count, length] = quick ? [4, 8] : [16, 32];
  const context = await leaseContext(model, {
    promptTokens: PROMPT,
    maxTokens: length,
    parallel: count,
  });
  try {
    const parent = await prefilled(context, randomPrompt(PROMPT));
    const texts = await drawTexts(model, context, [parent], { count, length, keep: false });
    const results = [];
    for (let round = 0; round < rounds; round++) {
      const sideBySide = await decodeGiven(context, parent, texts);
      const scored = await score(model, context, parent, texts);
      const alone = await decodeGiven(context, parent, texts.slice(0, 1));
      results.push({ scored, sideBySide, alone, ratio: scored / sideBySide });
    }
    const of = (name) => median(results.map((result) => result[name]));
    return {
      count,
      length,
      scored: of("scored"),
      sideBySide: of("sideBySide"),
      alone: of("alone"),
      ratio: of("ratio"),
    };
  } finally {
    await model.release(context);
  }
}

async function score(model, context, parent, texts) {
  const requests = texts.map((tokens) => ({ parent, tokens }));
  const started = performance.now();
  const scores = await context.score(requests, sampling(model));
  return perSecond(
    scores.reduce((sum, { logProbs }) => sum + logProbs.length, 0),
    started,
  );
}

/** Decodes given texts, one token of each at a time. */
async function decodeGiven(context, parent, texts) {
  const sequences = [];
  for (const _ of texts) sequences.push(await parent.fork());
  const longest = Math.max(...texts.map(({ length }) => length));
  let decoded = 0;
  const started = performance.now();
  for (let at = 0; at < longest; at++) {
    const step = texts
      .map((tokens, i) => ({ sequence: sequences[i], tokens: tokens.subarray(at, at + 1) }))
      .filter(({ tokens }) => tokens.length > 0);
    decoded += step.length;
    await context.prefill(step);
  }
  const rate = perSecond(decoded, started);
  await free(sequences);
  return rate;
}

function perSecond(tokens, started) {
  return tokens / ((performance.now() - started) / 1000);
}
