import { type CertaintyOptions, meansOf, rateOf } from "./confidence.js";
import type { Reward } from "./reward.js";

/**
 * Self-certainty (Kang, Zhao and Song, arXiv 2502.18581): the mean over a text's tokens of
 * -1/V Σ_v log (V · p_v), the divergence in nats of the model's distribution p from the uniform one,
 * at temperature 1 whatever the policy's. It has no bound: the reward is 1 - exp(-a · mean), from 0
 * to 1, a = .1 by default.
 */
export function selfCertainty(options: CertaintyOptions = {}): Reward {
  const rate = rateOf("selfCertainty", options, 0.1);
  return {
    name: "self-certainty",
    metrics: ["selfCertainties"],
    score: ({ pool }) => meansOf(pool, "selfCertainties").map((mean) => -Math.expm1(-rate * mean)),
  };
}
