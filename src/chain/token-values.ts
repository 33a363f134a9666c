/** The values that a text has for each token: log-probabilities, and the requested metrics. */
import type { Sampling } from "../engine/sampling.js";
import type { TokenMetric } from "../engine/sequences.js";
import type { Text } from "./chain.js";

export type TokenValues = Pick<Text, "logProbs" | "logMasses" | TokenMetric>;

/** The values of a continuation's tokens. */
export type AddedValues = Record<"logProbs", Iterable<number>> &
  Partial<Record<TokenMetric | "logMasses", Iterable<number>>>;

/** The values of a text's tokens, followed by those of the added tokens. */
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
    ...((text.logMasses || added.logMasses) && {
      logMasses: [...(text.logMasses ?? []), ...(added.logMasses ?? [])],
    }),
    ...Object.fromEntries(measured),
  };
}

/** The values of a text's first tokens. */
export function firstValues(
  { logProbs, logMasses, entropies, selfCertainties }: TokenValues,
  count: number,
): TokenValues {
  return {
    logProbs: logProbs.slice(0, count),
    ...(logMasses && { logMasses: logMasses.slice(0, count) }),
    ...(entropies && { entropies: entropies.slice(0, count) }),
    ...(selfCertainties && { selfCertainties: selfCertainties.slice(0, count) }),
  };
}

/** The log of the product of the masses of the tokens from index `from` on; 0 without a constraint. */
export function logMassOf({ logMasses = [] }: Pick<Text, "logMasses">, from = 0): number {
  return sum(logMasses.slice(from));
}

/**
 * The log of the probability with which the tokens from index `from` on are drawn; -Infinity if the
 * constraint does not allow them.
 */
export function logDrawnOf(text: Pick<Text, "logProbs" | "logMasses">, from = 0): number {
  const logMass = logMassOf(text, from);
  return logMass === Number.NEGATIVE_INFINITY ? logMass : sum(text.logProbs.slice(from)) - logMass;
}

/** Like `logDrawnOf`, but under the distribution that texts are to have: see `Chain.conditions`. */
export function logTargetOf(
  text: Pick<Text, "logProbs" | "logMasses" | "finishReason">,
  conditions: boolean,
  from = 0,
): number {
  if (text.finishReason === "dead") return Number.NEGATIVE_INFINITY;
  const logDrawn = logDrawnOf(text, from);
  return conditions && logDrawn !== Number.NEGATIVE_INFINITY
    ? sum(text.logProbs.slice(from))
    : logDrawn;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0);
}

/** The `text` of a request: the tokens so far, which a constraint reads. Without one it is left out. */
export function textBefore({ constraint }: Sampling, { tokens }: Text): { text?: Int32Array } {
  return constraint === undefined ? {} : { text: Int32Array.from(tokens) };
}

/** The values of tokens that the budget left unscored: the least certain ones. */
export function unknownValues(count: number): AddedValues {
  const repeat = (value: number) => new Array<number>(count).fill(value);
  return {
    logProbs: repeat(Number.NEGATIVE_INFINITY),
    entropies: repeat(Number.POSITIVE_INFINITY),
    selfCertainties: repeat(0),
  };
}

/** A text that the budget left unscored, with the metrics of `unknownValues`. */
export function unmeasured<T extends Text>(text: T, metrics: readonly TokenMetric[]): T {
  const unknown = unknownValues(text.tokens.length);
  return { ...text, ...Object.fromEntries(metrics.map((metric) => [metric, unknown[metric]])) };
}
