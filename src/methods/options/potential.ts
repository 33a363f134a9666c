/** The option of methods that can use a potential instead of rollouts. */
import { checkReward, type Reward, type RewardFunction, toReward } from "../../rewards/reward.js";
import type { OptionSpec } from "./option.js";

/** A judge of unfinished texts. */
export interface PotentialOptions {
  /**
   * φ(y, x_s) of unfinished texts, any finite number in the reward's unit. ψ = exp(φ / λ) replaces the
   * energies that rollouts would estimate, and no rollouts are drawn (`rollouts` is 0). Every reward can
   * also judge unfinished texts: a function, a verifier, a reward model, a judge. Without a `reward`, the
   * potential also judges the finished texts, and the target is p_ref · exp(φ / λ). `particle` samples from
   * its target for any φ; `ets` is biased by it. Default: none.
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

/** The given potential as a reward; null without one. Throws `ERR_INVALID_OPTION`. */
export function resolvePotential({ potential }: PotentialOptions): Reward | null {
  return potential === undefined ? null : toReward(checkReward("potential", potential));
}
