/** Finds the most probable tokens at each position of a text by reading the text again. */
import type { Model } from "../engine/engine.js";
import type { Sampling } from "../engine/sampling.js";
import type { ContextPart } from "../planning/contexts.js";

export interface Alternative {
  token: number;
  /** Log-probability in nats under the policy. */
  logProb: number;
}

/** For each token of a text, the most probable tokens at its position. */
export type TokenAlternatives = readonly (readonly Alternative[])[];

interface ReadText {
  prompt: readonly number[];
  tokens: readonly number[];
  sampling: Sampling;
}

/** Returns what reading a text of `tokens` tokens again takes of a context. */
export function alternativesNeeds({ limits: { cellUnit } }: Model, tokens: number): ContextPart {
  // Each step briefly holds both the sequence that it continues and the one that it creates.
  return { cells: Math.ceil((tokens + 1) / cellUnit) * cellUnit, sequences: 4 };
}

export async function alternativesOf(
  model: Model,
  { prompt, tokens, sampling }: ReadText,
  count: number,
  signal: AbortSignal,
): Promise<TokenAlternatives> {
  const needs = alternativesNeeds(model, prompt.length + tokens.length);
  const context = await model.lease({ ...needs, anyAttention: true });
  try {
    const all: Alternative[][] = [];
    const known = Int32Array.from(prompt);
    const kept = await context.prompts?.recall(known);
    let sequence = kept?.sequence ?? (await context.create());
    const rest = known.subarray(kept?.length ?? 0);
    if (rest.length > 0) await context.prefill([{ sequence, tokens: rest }]);
    for (const i of tokens.keys()) {
      signal.throwIfAborted();
      const token = i === 0 ? null : (tokens[i - 1] as number);
      const [ranked] = await context.expand([{ parent: sequence, token }], count, sampling);
      if (ranked === undefined) break;
      await sequence[Symbol.asyncDispose]();
      sequence = ranked.sequence;
      const alternatives = Array.from(ranked.tokens, (other, n) => {
        return { token: other, logProb: ranked.logProbs[n] as number };
      });
      all.push(alternatives.filter(({ logProb }) => logProb !== Number.NEGATIVE_INFINITY));
    }
    return all;
  } finally {
    await model.release(context);
  }
}
