/**
 * Measures how much a token's log-probability at drawing differs from its log-probability at scoring.
 * In exact arithmetic both are equal. Importance ratios divide one probability by the other, so they
 * depend on this difference.
 */
import type { Model } from "./engine.js";
import { resolveSampling } from "./sampling.js";

/** Absolute differences of log-probabilities, in nats per token. */
export interface Rounding {
  /** The number of measured tokens. */
  tokens: number;
  median: number;
  percentile99: number;
  largest: number;
}

/** A text that every model can continue. */
const PROMPT = "Once upon a time there was a small village at the foot of a mountain, where";
const LONGEST = 32;

/**
 * Draws texts of up to 32 tokens at temperature 1, side by side, and scores them together. It uses the
 * same attention as runs of ETS-IS.
 *
 * @param texts the number of texts, from 1 to 64
 * @throws LlamaEtsError `ERR_UNSUPPORTED_MODEL` for a model that can't extend texts
 */
export async function measureRounding(model: Model, texts: number, seed = 0): Promise<Rounding> {
  model.checkExtends();
  const { tokens: prompt } = await model.encodePrompt(PROMPT, { raw: true });
  const { place, sharesAttention } = model.freeMemory();
  const sampling = resolveSampling({ temperature: 1 }, model.info.vocabSize);
  const context = await model.lease({
    cells: prompt.length + 2 * texts * LONGEST,
    sequences: texts + 1,
    outputs: Math.max(model.limits.outputs, texts + 1),
    flashAttention: place === "cpu" && sharesAttention && "shared",
  });
  try {
    await using parent = await context.create();
    await parent.prefill(prompt);
    const drawn = await context.generate({
      draws: Array.from({ length: texts }, (_, i) => ({
        parent,
        stream: [i, 0, 0] as const,
        position: 0,
        maxTokens: LONGEST,
        keep: false,
        text: new Int32Array(),
      })),
      sampling,
      key: [seed, 0],
      stopStrings: [],
      stopTokens: new Int32Array(),
      answerEnd: null,
      maxTotalTokens: texts * LONGEST,
      sharePrefixes: true,
      timeLimitMs: null,
    });
    const requests = drawn.map(({ tokens }) => ({ parent, tokens }));
    const scored = await context.score(requests, sampling);
    const differences = drawn.flatMap(({ logProbs }, i) =>
      Array.from(logProbs, (p, n) => Math.abs(p - (scored[i]?.logProbs[n] as number))),
    );
    return summarise(differences);
  } finally {
    await model.release(context);
  }
}

function summarise(differences: readonly number[]): Rounding {
  const sorted = differences.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] as number;
  return {
    tokens: sorted.length,
    median: at(0.5),
    percentile99: at(0.99),
    largest: at(1),
  };
}
