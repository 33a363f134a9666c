import { type CertaintyOptions, meansOf, rateOf } from "./confidence.js";
import type { Reward } from "./reward.js";

/**
 * exp(-a · mean H) of the entropies H, in nats, of the distributions that a text's tokens were drawn
 * from, from 0 to 1: with a = 1, the default, one over the mean number of choices (the perplexity of
 * the policy itself). Certain texts earn more.
 */
export function entropy(options: CertaintyOptions = {}): Reward {
  const rate = rateOf("entropy", options, 1);
  return {
    name: "entropy",
    metrics: ["entropies"],
    score: ({ pool }) => meansOf(pool, "entropies").map((mean) => Math.exp(-rate * mean)),
  };
}
