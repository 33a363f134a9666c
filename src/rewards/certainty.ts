/** Rewards for how sure the model is of a text: no answer is looked at. */
import { checkKeys, checkPositive } from "../engine/check.js";
import type { TokenMetric } from "../engine/sequences.js";
import type { Completion, Reward } from "./reward.js";

/** How fast a reward of certainty moves. */
export interface CertaintyOptions {
  /** a of the formula, above 0: how fast the reward moves with the mean over tokens, a nat. */
  rate?: number;
}

/**
 * exp(a · mean log p) of a text's tokens under the distribution sampled, from 0 to 1: with a = 1,
 * the default, the geometric mean of their probabilities.
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
 * exp(-a · mean H) of the entropies H, in nats, of the distributions that a text's tokens were drawn
 * from, from 0 to 1: with a = 1, the default, one over the mean number of choices (the perplexity of
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
 * -1/V Σ_v log (V · p_v), the divergence in nats of the model's distribution p from the uniform one,
 * at temperature 1 whatever the policy's. It has no bound: the reward is 1 - exp(-a · mean), from 0
 * to 1, a = .1 by default.
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

/** A text has at least one token, its end. */
function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** A metric's mean over each text's tokens. The run that draws the texts measures it. */
function meansOf(pool: readonly Completion[], metric: TokenMetric): number[] {
  return pool.map((completion) => meanOf(completion[metric] ?? []));
}
