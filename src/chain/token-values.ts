/** What a text carries for each of its tokens: log-probabilities, and the metrics asked for. */
import type { TokenMetric } from "../engine/sequences.js";
import type { Text } from "./chain.js";

export type TokenValues = Pick<Text, "logProbs" | TokenMetric>;

/** The values of a continuation's tokens. */
export type AddedValues = Record<"logProbs", Iterable<number>> &
  Partial<Record<TokenMetric, Iterable<number>>>;

/** The values of a text's tokens, and of those that follow it. */
export function appendValues(
  text: TokenValues,
  added: AddedValues,
  metrics: readonly TokenMetric[],
): TokenValues {
  const measured = metrics.map((metric) => [
    metric,
    [...(text[metric] ?? []), ...(added[metric] ?? [])],
  ]);
  return {
    logProbs: [...text.logProbs, ...added.logProbs],
    ...Object.fromEntries(measured),
  };
}

/** The values of a text's first tokens. */
export function firstValues(
  { logProbs, entropies, selfCertainties }: TokenValues,
  count: number,
): TokenValues {
  return {
    logProbs: logProbs.slice(0, count),
    ...(entropies && { entropies: entropies.slice(0, count) }),
    ...(selfCertainties && { selfCertainties: selfCertainties.slice(0, count) }),
  };
}

/** The values of tokens that a budget left unscored: nothing is certain of them. */
export function unknownValues(count: number): AddedValues {
  const repeat = (value: number) => new Array<number>(count).fill(value);
  return {
    logProbs: repeat(Number.NEGATIVE_INFINITY),
    entropies: repeat(Number.POSITIVE_INFINITY),
    selfCertainties: repeat(0),
  };
}

/** A text that a budget left unscored, with the metrics of one of which nothing is known. */
export function unmeasured<T extends Text>(text: T, metrics: readonly TokenMetric[]): T {
  const unknown = unknownValues(text.tokens.length);
  return { ...text, ...Object.fromEntries(metrics.map((metric) => [metric, unknown[metric]])) };
}
