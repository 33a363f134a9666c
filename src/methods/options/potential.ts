/** The option of methods that may ask a potential in the place of rollouts. */
import { checkReward, type Reward, type RewardFunction, toReward } from "../../rewards/reward.js";
import type { OptionSpec } from "./option.js";

/** A judge of unfinished texts. */
export interface PotentialOptions {
  /**
   * φ(y, x_s) of unfinished texts, any finite number in the reward's unit: ψ = exp(φ / λ) stands for
   * the energies that rollouts would estimate, and none are drawn (`rollouts` is 0). What judges
   * finished texts can judge unfinished ones: a function, a verifier, a reward model, a judge.
   * Without a `reward` it judges the finished texts too: the target is then p_ref · exp(φ / λ).
   * `particle` samples from its target whatever φ says; `ets` is biased by it. Default: none.
   */
  potential?: Reward | RewardFunction;
}

export const POTENTIAL_OPTIONS = {
  /** The commands open what it names. */
  potential: {
    flags: [
      {
        path: "potential",
        flags: "--potential <potential>",
        help: "ets, particle: judges unfinished texts in the place of rollouts; named as a --reward, which it also is where none is given",
        kind: "text",
      },
    ],
  },
} as const satisfies Record<keyof PotentialOptions, OptionSpec>;

/** What was given as the potential; null without one. Throws `ERR_INVALID_OPTION`. */
export function resolvePotential({ potential }: PotentialOptions): Reward | null {
  return potential === undefined ? null : toReward(checkReward("potential", potential));
}
