/**
 * Measures how far a proposal is from its reference, and which share of its rollouts counts at a length.
 *
 * As a rule of thumb, the log of a rollout's importance ratio has the variance 2·KL·L after L tokens, so
 * the share exp(-2·KL·L) of the rollouts counts. This holds if all tokens differ a little. If few tokens
 * differ much, as with the bundled models, the share is far larger. So a pair is judged by the effective
 * share of drawn texts, cut at growing lengths.
 */

/** Measurements of a pair of models, on texts that the proposal drew. */
export interface PairCheck {
  texts: number;
  tokens: number;
  /** D(p_proposal ‖ p_ref), in nats per token; the estimate may be below 0 if the models agree. */
  klPerToken: number;
  /** Mean of min(1, p_ref / p_proposal) over the tokens: the share that the reference would accept. */
  acceptance: number;
  /** The effective share of the texts, each cut at this many tokens, from 0 to 1. */
  essShares: { tokens: number; share: number }[];
  /** From this length in tokens on, less than half of the rollouts count; null if the texts were shorter. */
  halfLength: number | null;
}

/** The expected quality of a run's rollouts with a pair. */
export interface PairForecast extends PairCheck {
  /** The longest rollout, in tokens. */
  rolloutTokens: number;
  /** The share of rollouts of that length that counts, without resampling, from 0 to 1. */
  essShare: number;
  /** The forecast in words, and what would help. */
  advice: string;
}

/** log p_ref / p_proposal of a text's tokens. */
type TextRatios = readonly number[];

/** @param prompts for each prompt, the texts drawn after it: at least two, each with at least one token */
export function checkRatios(prompts: readonly (readonly TextRatios[])[]): PairCheck {
  const texts = prompts.flat();
  const ratios = texts.flat();
  const longest = Math.max(...texts.map(({ length }) => length));
  const lengths = Array.from({ length: Math.ceil(Math.log2(longest)) }, (_, i) => 2 ** i);
  const essShares = [...lengths, longest].map((tokens) => {
    return { tokens, share: mean(prompts.map((drawn) => shareAt(drawn, tokens))) };
  });
  return {
    texts: texts.length,
    tokens: ratios.length,
    klPerToken: -mean(ratios),
    acceptance: mean(ratios.map((ratio) => Math.min(1, Math.exp(ratio)))),
    essShares,
    halfLength: halfLengthOf(essShares),
  };
}

/** (Σw)² / (n Σw²) of texts that are cut at `tokens` tokens. */
function shareAt(drawn: readonly TextRatios[], tokens: number): number {
  const logs = drawn.map((ratios) => ratios.slice(0, tokens).reduce((a, b) => a + b, 0));
  const largest = Math.max(...logs);
  if (largest === Number.NEGATIVE_INFINITY) return 0;
  const weights = logs.map((log) => Math.exp(log - largest));
  const total = weights.reduce((a, b) => a + b, 0);
  return total ** 2 / weights.reduce((sum, w) => sum + w * w, 0) / weights.length;
}

/** The length at which the share falls below half, with exponential interpolation between tested lengths. */
function halfLengthOf(shares: PairCheck["essShares"]): number | null {
  const at = shares.findIndex(({ share }) => share < 0.5);
  if (at < 0) return null;
  const after = shares[at] as PairCheck["essShares"][number];
  const before = shares[at - 1] ?? { tokens: 0, share: 1 };
  const slope = Math.log(before.share / Math.max(after.share, 1e-9));
  const part = Math.log(before.share / 0.5) / slope;
  return Math.round(before.tokens + part * (after.tokens - before.tokens));
}

/** The forecast for rollouts of up to `rolloutTokens` tokens with a pair. */
export function forecast(pair: PairCheck, rolloutTokens: number): PairForecast {
  const { klPerToken, halfLength } = pair;
  const essShare = shareOf(pair, rolloutTokens);
  const where = `The proposal is ${klPerToken.toPrecision(2)} nats a token from the reference`;
  const about = `about ${Math.round(100 * essShare)}% of the rollouts of ${rolloutTokens} tokens count, with one ratio each`;
  const isNear = essShare >= 0.5;
  const half =
    isNear || halfLength === null ? "" : `; less than half do from ${halfLength} tokens on`;
  const cures = isNear ? "" : ` Try: ${curesFor(halfLength).join(", ")}`;
  return { ...pair, rolloutTokens, essShare, advice: `${where}: ${about}${half}.${cures}` };
}

/** Proposes resampling only if several tokens cause the loss: it can't help if single tokens do. */
function curesFor(halfLength: number | null): string[] {
  const resampling =
    halfLength !== null && halfLength >= 4
      ? [`resampleEvery: ${Math.floor(halfLength / 2)} with 8 rollouts or more`]
      : [];
  return [...resampling, "shorter answers", "a closer proposal", "no proposal"];
}

/** The share at a length, interpolated between two tested lengths or extrapolated beyond the longest. */
function shareOf({ essShares }: PairCheck, tokens: number): number {
  if (tokens <= 0) return 1;
  const at = essShares.findIndex((seen) => seen.tokens >= tokens);
  const after = essShares[at] ?? (essShares.at(-1) as PairCheck["essShares"][number]);
  if (at < 0) return after.share ** (tokens / after.tokens);
  const before = essShares[at - 1] ?? { tokens: 0, share: 1 };
  const part = (tokens - before.tokens) / (after.tokens - before.tokens);
  return before.share ** (1 - part) * after.share ** part;
}

function mean(numbers: readonly number[]): number {
  return numbers.reduce((a, b) => a + b, 0) / numbers.length;
}
