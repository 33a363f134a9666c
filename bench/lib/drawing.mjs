// Helpers that use the engine as the methods do: a leased context, a prompt, and draws from it.

/**
 * Returns random token ids as a prompt, without the special tokens of the random models, which have the last
 * ids.
 */
export function randomPrompt(length, vocabulary = 150_000) {
  let state = 7;
  return Int32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % vocabulary;
  });
}

/** Leases a context with room for one prompt and `parallel` concurrent texts of `maxTokens` tokens. */
export function leaseContext(model, { promptTokens, maxTokens, parallel }) {
  const cells = promptTokens + parallel * maxTokens;
  return model.lease({ cells, sequences: parallel + 1 });
}

/** Returns a sequence that holds the prompt. */
export async function prefilled(context, prompt) {
  const sequence = await context.create();
  await sequence.prefill(prompt);
  return sequence;
}

/** The reference policy of the benchmarks: the library's default temperature without truncation. */
export function sampling(model) {
  return {
    temperature: 0.7,
    topK: 0,
    topP: 1,
    minP: 0,
    allowedTokens: [],
    vocabLimit: model.info.vocabSize,
  };
}

/**
 * Draws `count` texts of `length` tokens from each parent in one call. `keep` decodes the last token too, so
 * that count · length tokens are decoded. Random weights give an end token about once in 50,000 draws, so the
 * drawn tokens are returned to be counted.
 */
export async function drawTexts(model, context, parents, { count = 1, length, keep, seed = 0 }) {
  const continuations = await context.generate({
    draws: parents.flatMap((parent, p) =>
      Array.from({ length: count }, (_, i) => ({
        parent,
        stream: [p, i, 0],
        position: 0,
        maxTokens: length,
        keep,
        text: new Int32Array(),
      })),
    ),
    sampling: sampling(model),
    key: [seed, 0],
    stopStrings: [],
    stopTokens: new Int32Array(),
    answerEnd: null,
    maxTotalTokens: Number.MAX_SAFE_INTEGER,
    sharePrefixes: false, // so that the work doesn't depend on what is drawn
    timeLimitMs: null,
  });
  if (keep) await free(continuations.map(({ sequence }) => sequence));
  return continuations.map(({ tokens }) => tokens);
}

/** Frees the sequences that exist. */
export async function free(sequences) {
  for (const sequence of sequences) await sequence?.[Symbol.asyncDispose]();
}

export function countTokens(texts) {
  return texts.reduce((sum, { length }) => sum + length, 0);
}
