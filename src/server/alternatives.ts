/** The most probable tokens at each place of a text, which is read again for them. */
import type { Model } from "../engine/engine.js";
import type { Sampling } from "../engine/sampling.js";
import type { ContextPart } from "../planning/contexts.js";

export interface Alternative {
  token: number;
  /** In nats, under the policy. */
  logProb: number;
}

/** For each token of a text, the most probable ones in its place. */
export type TokenAlternatives = readonly (readonly Alternative[])[];

interface ReadText {
  prompt: readonly number[];
  tokens: readonly number[];
  sampling: Sampling;
}

/** What reading a text of so many tokens again takes of a context. */
export function alternativesNeeds({ limits: { cellUnit } }: Model, tokens: number): ContextPart {
  // A step has the sequence that it goes on from and the one that it makes, for a moment.
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
