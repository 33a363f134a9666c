import { loadModel, power, beam as search } from "llama-ets";
import { free, leaseContext, prefilled, randomPrompt, sampling } from "../lib/drawing.mjs";
import { randomModel } from "../lib/random-model.mjs";

const PROMPT = 128;

/**
 * Compares beam search that forks its hypotheses' caches with one that decodes each hypothesis again at every
 * position, as generate loops without cache reordering do. Both share the prompt and rank tokens natively. It
 * also measures the cost of power's proposals.
 */
export async function beam({ quick, threads }) {
  const [width, length] = quick ? [4, 4] : [16, 24];
  const file = await randomModel(quick ? "qwen3-tiny" : "qwen3-0.6b");
  const model = await loadModel(file, { gpu: false, threads: threads ?? "auto" });
  try {
    const prompt = randomPrompt(PROMPT);
    const allowedTokens = [...new Set(randomPrompt(400))]; // random weights: no end tokens
    const options = { raw: true, allowedTokens, maxTokens: length };
    const started = performance.now();
    const found = await search(model, prompt, { ...options, candidates: width });
    const forked = performance.now() - started;
    const recomputed = await recomputing(model, prompt, { allowedTokens, width, length });
    const sampled = await power(model, prompt, { ...options, steps: 4, moves: 4 });
    return {
      title: "Beam search: forked hypotheses, against recomputed ones",
      ratio: recomputed / forked,
      ours: found.usage.generated / (forked / 1000),
      theirs: (width * length) / (recomputed / 1000),
      unit: `hypothesis tokens/s, width ${width}`,
      note: `A prompt of ${PROMPT} tokens, ${length} positions; one run each. Power, 4 blocks of ${length / 4} tokens with 4 moves each: ${sampled.usage.generated} tokens drawn for one text of ${length}, ${Math.round(100 * sampled.acceptanceRate)}% of the proposals accepted.`,
      columns: ["search", "seconds", "tokens decoded"],
      rows: [
        ["forked", (forked / 1000).toFixed(1), String(found.usage.decoded)],
        ["recomputed", (recomputed / 1000).toFixed(1), String(recomputedTokens(width, length))],
      ],
      details: { width, length, forked, recomputed, power: sampled.usage },
    };
  } finally {
    await model.dispose();
  }
}

/** Counts the tokens of recomputation: at position t each hypothesis decodes all of its t tokens. */
function recomputedTokens(width, length) {
  return (width * length * (length - 1)) / 2;
}

/** Returns the milliseconds of a search that keeps only the prompt's cache. */
async function recomputing(model, prompt, { allowedTokens, width, length }) {
  const context = await leaseContext(model, {
    promptTokens: prompt.length,
    maxTokens: length,
    parallel: 2 * width,
  });
  try {
    const policy = {
      ...sampling(model),
      temperature: 1,
      allowedTokens: allowedTokens.sort((a, b) => a - b),
    };
    const parent = await prefilled(context, prompt);
    const started = performance.now();
    let live = [{ tokens: [], logProb: 0 }];
    for (let position = 0; position < length; position++) {
      const heads = await Promise.all(live.map(() => parent.fork()));
      await read(context, heads, live);
      const requests = live.map(({ tokens }, i) => ({
        parent: heads[i],
        token: tokens.at(-1) ?? null,
      }));
      const ranked = await context.expand(requests, 2 * width, policy);
      live = ranked
        .flatMap(({ tokens, logProbs }, i) =>
          Array.from(tokens, (token, n) => ({
            tokens: [...live[i].tokens, token],
            logProb: live[i].logProb + logProbs[n],
          })),
        )
        .sort((a, b) => b.logProb - a.logProb)
        .slice(0, width);
      await free([...heads, ...ranked.map(({ sequence }) => sequence)]);
    }
    return performance.now() - started;
  } finally {
    await model.release(context);
  }
}

/** Decodes all tokens of each hypothesis but the last, which ranking feeds. */
async function read(context, heads, live) {
  const requests = live
    .map(({ tokens }, i) => ({ sequence: heads[i], tokens: Int32Array.from(tokens.slice(0, -1)) }))
    .filter(({ tokens }) => tokens.length > 0);
  if (requests.length > 0) await context.prefill(requests);
}
