import type { Chain, ChainState } from "../chain/chain.js";
import type { Completion } from "../rewards/reward.js";

/** A completion and its reward. */
export interface Scored extends Completion {
  reward: number;
}

export interface Estimate {
  /** log Ê(m) for each candidate. */
  logEnergies: number[];
  /** What the estimates rest on; a candidate that repeats another has that one's. */
  completions: Scored[];
}

/** Estimates the energy E(x_s) = E[exp(r(x_0) / λ)], x_0 ~ p_ref(· | x_s), of each candidate. */
export type EnergyEstimator = <S extends ChainState>(
  chain: Chain<S>,
  candidates: readonly S[],
  step: number,
) => Promise<Estimate>;
