/** Rewards that measure how certain the model is of a text. They don't depend on its answer. */
import { checkKeys, checkPositive } from "../engine/check.js";
import type { TokenMetric } from "../engine/sequences.js";
import type { Completion, Reward } from "./reward.js";

/** Options of rewards of certainty. */
export interface CertaintyOptions {
  /** The factor a of the formula, above 0: how fast the reward changes with the mean over tokens, per nat. */
  rate?: number;
}

/**
 * exp(a · mean log p) of a text's tokens under the sampled distribution, from 0 to 1. With a = 1, the
 * default, this is the geometric mean of their probabilities.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`
 */
export function confidence(options: CertaintyOptions = {}): Reward {
  const rate = rateOf("confidence", options, 1);
  return {
    name: "confidence",
    score: ({ pool }) => pool.map(({ logProbs }) => Math.exp(rate * meanOf(logProbs))),
  };
}

/**
 * exp(-a · mean H), from 0 to 1, where H is the entropy, in nats, of the distribution from which a token of
 * the text was drawn. With a = 1, the default, this is 1 over the mean number of choices (the perplexity of
 * the policy itself). Certain texts earn more.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`
 */
export function entropy(options: CertaintyOptions = {}): Reward {
  const rate = rateOf("entropy", options, 1);
  return {
    name: "entropy",
    metrics: ["entropies"],
    score: ({ pool }) => meansOf(pool, "entropies").map((mean) => Math.exp(-rate * mean)),
  };
}

/**
 * Self-certainty (Kang, Zhao and Song, arXiv 2502.18581): the mean over a text's tokens of
 * -1/V Σ_v log (V · p_v), the divergence, in nats, of the uniform distribution from the model's
 * distribution p at temperature 1, independent of the policy's temperature. Self-certainty has no upper
 * bound, so the reward is 1 - exp(-a · mean), from 0 to 1, with a = 0.1 by default.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`
 */
export function selfCertainty(options: CertaintyOptions = {}): Reward {
  const rate = rateOf("selfCertainty", options, 0.1);
  return {
    name: "self-certainty",
    metrics: ["selfCertainties"],
    score: ({ pool }) => meansOf(pool, "selfCertainties").map((mean) => -Math.expm1(-rate * mean)),
  };
}

/** Throws `ERR_INVALID_OPTION`. */
function rateOf(name: string, options: CertaintyOptions, preset: number): number {
  checkKeys(name, options, ["rate"]);
  const { rate = preset } = options;
  return checkPositive("rate", rate);
}

/** The mean of a text's values. A text has at least one token, its end token. */
function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The mean of a metric over each text's tokens. The run that draws the texts measures the metric. */
function meansOf(pool: readonly Completion[], metric: TokenMetric): number[] {
  return pool.map((completion) => meanOf(completion[metric] ?? []));
}
