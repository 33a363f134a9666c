import { loadModel, miniGsm } from "llama-ets";
import { leaseContext, prefilled, sampling } from "../lib/drawing.mjs";
import { showProgress } from "../lib/progress.mjs";
import { median } from "../lib/statistics.mjs";

const TOKENS = 48;
/** The numbers of tokens drafted at once. */
const LENGTHS = [1, 2, 3, 4, 6, 8];

/**
 * Estimates what a draft model could gain for one text. Speculative sampling draws from the target's
 * distribution and keeps a drafted token with probability Σ min(p, q) on average. This share is measured on
 * the target's own texts. Also measured are the seconds of a token of each model, and of the target's check
 * of k drafted tokens and one more. Nothing is drafted: the gain follows from these numbers.
 */
export async function draft({ quick, threads, rounds, models }) {
  const [targetName, draftName] = models ?? ["mini-gsm-ref", "mini-gsm-proposal"];
  const options = { gpu: false, threads: threads ?? "auto" };
  const target = await loadModel(targetName, options);
  const drafter = await loadModel(draftName, options);
  const items = (await miniGsm.load()).slice(0, quick ? 2 : 12);
  const shares = [];
  const checks = [];
  const drafts = [];
  for (const [i, { prompt }] of items.entries()) {
    const text = await drawOne(target, prompt, i);
    const [p, q] = [await distributions(target, text), await distributions(drafter, text)];
    shares.push(...p.map((row, n) => overlap(row, q[n])));
    const repeats = rounds ?? (quick ? 2 : 10);
    checks.push(await secondsOf(target, text, [1, ...LENGTHS.map((k) => k + 1)], repeats));
    drafts.push((await secondsOf(drafter, text, [1], repeats))[0]);
    showProgress(`draft: text ${i + 1} of ${items.length}`, i + 1 === items.length);
  }
  const { info } = target;
  await target.dispose();
  await drafter.dispose();

  const kept = shares.reduce((a, b) => a + b, 0) / shares.length;
  const [alone, ...check] = checks[0].map((_, i) => median(checks.map((of) => of[i])));
  const drafted = median(drafts);
  const rows = LENGTHS.map((length, k) => {
    // The tokens before the first rejected one are kept, followed by one token of the target.
    const tokens = (1 - kept ** (length + 1)) / (1 - kept);
    const seconds = length * drafted + check[k];
    return { length, tokens, seconds, check: check[k] / alone, gain: (tokens * alone) / seconds };
  });
  const best = rows.reduce((a, b) => (b.gain > a.gain ? b : a));
  return {
    title: "Draft models: what they could gain for one text",
    ratio: best.gain,
    ours: best.tokens / best.seconds,
    theirs: 1 / alone,
    unit: `tokens/s with ${best.length} drafted tokens; without`,
    note: `${info.description} and ${draftName}; ${shares.length} tokens of the target's own texts, temperature ${sampling(target).temperature}. A drafted token is kept with probability ${kept.toFixed(3)}; a token of the draft takes ${(drafted / alone).toFixed(2)} of one of the target.`,
    columns: ["drafted", "tokens a check", "check, in decodes of one token", "gain"],
    rows: rows.map(({ length, tokens, check, gain }) => [
      ...[length, tokens.toFixed(2), check.toFixed(2), gain.toFixed(2)],
    ]),
    details: { kept, alone, drafted, rows },
  };
}

/** Draws a text of the model for a question. */
async function drawOne(model, question, seed) {
  const { tokens: prompt } = await model.encodePrompt(question);
  const context = await leaseContext(model, {
    promptTokens: prompt.length,
    maxTokens: TOKENS,
    parallel: 1,
  });
  const parent = await prefilled(context, prompt);
  const [drawn] = await context.generate({
    draws: [
      {
        parent,
        stream: [0, 0, 0],
        position: 0,
        maxTokens: TOKENS,
        keep: false,
        text: new Int32Array(),
      },
    ],
    sampling: sampling(model),
    key: [seed, 0],
    stopStrings: [],
    stopTokens: new Int32Array(),
    answerEnd: null,
    maxTotalTokens: TOKENS,
    sharePrefixes: false,
    timeLimitMs: null,
  });
  await model.release(context);
  return { prompt, tokens: drawn.tokens };
}

/** Returns the policy's distribution before each token of the text. */
async function distributions(model, { prompt, tokens }) {
  const room = { promptTokens: prompt.length, maxTokens: TOKENS, parallel: 1 };
  const context = await leaseContext(model, room);
  const sequence = await prefilled(context, prompt);
  const rows = [];
  for (const token of tokens) {
    rows.push(softmax(await sequence.logits(), sampling(model).temperature));
    await sequence.prefill(Int32Array.of(token));
  }
  await model.release(context);
  return rows;
}

function softmax(logits, temperature) {
  const most = logits.reduce((a, b) => Math.max(a, b));
  const weights = Float64Array.from(logits, (x) => Math.exp((x - most) / temperature));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((w) => w / total);
}

function overlap(p, q) {
  return p.reduce((sum, x, i) => sum + Math.min(x, q[i] ?? 0), 0);
}

/**
 * Measures the seconds of decoding these numbers of tokens after prompt and text, all with logits. It returns
 * the fastest of each, because disturbances only slow a run down.
 */
async function secondsOf(model, { prompt, tokens }, counts, rounds) {
  const room = { promptTokens: prompt.length + tokens.length, maxTokens: 16, parallel: 1 };
  const context = await leaseContext(model, room);
  const parent = await prefilled(context, Int32Array.of(...prompt, ...tokens));
  const seconds = counts.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round < rounds; round++) {
    for (const [i, count] of counts.entries()) {
      // The first token is scored from existing logits, so one more token is given than is decoded.
      const again = Int32Array.from({ length: count + 1 }, (_, n) => tokens[n % tokens.length]);
      const before = (await context.status()).decodeNs;
      await context.score([{ parent, tokens: again }], sampling(model));
      const { decodeNs } = await context.status();
      seconds[i] = Math.min(seconds[i], (decodeNs - before) / 1e9);
    }
  }
  await model.release(context);
  return seconds;
}
