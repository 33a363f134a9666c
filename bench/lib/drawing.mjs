// The product's engine room as the methods use it: a leased context, a prompt, draws from it.

/** Random token ids as a prompt; none of the random models' special ones, which have the last ids. */
export function randomPrompt(length, vocabulary = 150_000) {
  let state = 7;
  return Int32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % vocabulary;
  });
}

/** A context with room for this many texts of this length side by side, besides one prompt. */
export function leaseContext(model, { promptTokens, maxTokens, parallel }) {
  const cells = promptTokens + parallel * maxTokens;
  return model.lease({ cells, sequences: parallel + 1 });
}

/** A sequence of the context that holds the prompt. */
export async function prefilled(context, prompt) {
  const sequence = await context.create();
  await sequence.prefill(prompt);
  return sequence;
}

/** The reference policy of the benchmarks: the library's default temperature, nothing cut off. */
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
 * Draws `count` texts of `length` tokens from each parent in one call. `keep` decodes the last
 * token too, so that count · length tokens are decoded. The random weights give an end token once
 * in some 50,000 draws; the tokens drawn are returned to be counted.
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
    sharePrefixes: false, // the same work whatever is drawn
    timeLimitMs: null,
  });
  if (keep) await free(continuations.map(({ sequence }) => sequence));
  return continuations.map(({ tokens }) => tokens);
}

/** Gives back the sequences that are there. */
export async function free(sequences) {
  for (const sequence of sequences) await sequence?.[Symbol.asyncDispose]();
}

export function countTokens(texts) {
  return texts.reduce((sum, { length }) => sum + length, 0);
}
