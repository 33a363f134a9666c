/**
 * Energies of a step's candidates, E(x_s) = E[exp(r(x_0) / λ)], x_0 ~ p_ref(· | x_s), from rollouts:
 *
 *   Ê(m) = (1/K) Σ_k w(m, k) exp(r(x_0(m, k)) / λ)
 *
 * A candidate that has ended is its own completion, and its energy is exact. Identical candidates are
 * rolled out once and have the weight of all of them. If a constraint conditions p_ref, rollouts and
 * candidates are also weighted by the masses of their tokens.
 */
import type { ChainState, Rollout } from "../chain/chain.js";
import { logMassOf } from "../chain/token-values.js";
import {
  type Completion,
  isPoolSettled,
  type Reward,
  type RewardInput,
  scorePool,
} from "../rewards/reward.js";
import type { Stopping } from "../rewards/settled-vote.js";
import {
  type CandidateGroup,
  groupCandidates,
  toCompletions,
  type WeightedRollout,
} from "./candidate-groups.js";
import type { ImportanceDiagnostics, RolloutRatio } from "./diagnostics.js";
import { largestOf, logSumExp, saturated } from "./log-domain.js";

/** A completion with its reward and its weight. */
export interface Scored extends Completion {
  reward: number;
  /** log p_ref / p_proposal of the rollout; 0 if p_ref drew it, or if the text is the candidate. */
  logRatio: number;
  /**
   * log of the term ratio · exp(r / λ) / K that it adds to Σ_m Ê(m), times the number of identical
   * candidates. It is relative to exp(r / λ) of the step's highest reward.
   */
  logWeight: number;
}

export interface Estimate {
  /** log Ê(m) for each candidate, for reports: finite, or -Infinity if it has no weight. */
  logEnergies: number[];
  /** The highest reward of a completion that has weight; 0 if none has. */
  peak: number;
  /**
   * log Ê(m) - peak / λ. Choices are made with these numbers. If r / λ is large, above 1e13 or out of a
   * double's range, candidates may differ by less than the rounding error of log Ê(m).
   */
  relativeLogEnergies: number[];
  /** The completions of the estimates; identical candidates share those of the first. */
  completions: Scored[];
  /** Whether more candidates would hardly change the rewards, with the run's confidence. */
  isSettled: boolean;
  /** φ of each candidate, or null if it has ended; absent without a potential. */
  potentials?: (number | null)[];
  /** Absent if p_ref drew every rollout. */
  importance?: ImportanceDiagnostics;
  /**
   * The rollouts with their untreated ratios, by the number of the first of identical candidates. An
   * estimate of more candidates of the same step reuses them.
   */
  drawn: ReadonlyMap<number, readonly WeightedRollout[]>;
}

/** Draws K rollouts for each state and gives their weights. */
export interface RolloutSource {
  /** `step` and the states' `numbers` determine the random numbers. */
  draw<S extends ChainState>(
    states: readonly S[],
    step: number,
    numbers: readonly number[],
  ): Promise<WeightedRollout[][]>;
  /** Turns the log ratios of all rollouts of a step into log weights. Default: the ratios are the weights. */
  weigh?(rollouts: readonly RolloutRatio[]): {
    logWeights: readonly number[];
    importance: ImportanceDiagnostics | null;
  };
}

export interface EstimateOptions {
  /** K, for each candidate. */
  rollouts: number;
  reward: Reward;
  lambda: number;
  /** The part of the reward's input that describes the prompt. */
  asked: Pick<RewardInput, "prompt" | "specials" | "extract">;
  /** When a step counts as settled; null: never. */
  stopping: Stopping | null;
  /** Whether identical candidates are rolled out only once. */
  shareDuplicates: boolean;
  /** Whether candidates are weighted by the masses of their tokens under a constraint. Default false. */
  conditions?: boolean;
  signal: AbortSignal | undefined;
}

/** A step's candidates, and what is already known about them and about earlier steps. */
export interface StepEvidence<S extends ChainState> {
  step: number;
  candidates: readonly S[];
  /** Completions of earlier steps, oldest first. Rewards may pool them with this step's. */
  earlier: readonly Completion[];
  /** An estimate for the first few of these candidates. Its rollouts are not drawn again. */
  known?: Estimate | null;
}

/**
 * Draws the missing rollouts and computes each candidate's energy.
 *
 * @throws LlamaEtsError `ERR_REWARD`; the signal's reason
 */
export async function estimateEnergies<S extends ChainState>(
  source: RolloutSource,
  { step, candidates, earlier, known = null }: StepEvidence<S>,
  options: EstimateOptions,
): Promise<Estimate> {
  const groups = groupCandidates(candidates, options.shareDuplicates);
  const drawn = new Map(known?.drawn);
  // With a reward that is always 0, every energy is 1 and no rollouts are needed.
  const isOpen = ({ state, first }: CandidateGroup<S>) =>
    state.finishReason === null && !drawn.has(first);
  const open = options.reward.isZero ? [] : groups.filter(isOpen);
  const rollouts = await source.draw(
    open.map(({ state }) => state),
    step,
    open.map(({ first }) => first),
  );
  for (const [i, { first }] of open.entries()) drawn.set(first, rollouts[i] ?? []);
  const weighed = source.weigh?.(ratiosOf(drawn, candidates));
  const weighted = weighed ? reweighted(drawn, weighed.logWeights) : drawn;
  const sums = await sumEnergies(groups, weighted, step, earlier, options);
  const importance = weighed?.importance;
  return { ...sums, drawn, ...(importance && { importance }) };
}

type Drawn = ReadonlyMap<number, readonly WeightedRollout[]>;

function ratiosOf(drawn: Drawn, candidates: readonly ChainState[]): RolloutRatio[] {
  return [...drawn].flatMap(([first, rollouts]) => {
    const { tokens } = candidates[first] as ChainState;
    return rollouts.map(({ text, ...ratio }) => ({
      name: `${tokens.join()} → ${text.tokens.join()}`,
      ...ratio,
    }));
  });
}

/** The rollouts with new ratios, given in the same order. */
function reweighted(drawn: Drawn, logRatios: readonly number[]): Drawn {
  const ratios = logRatios.values();
  return new Map(
    [...drawn].map(([first, rollouts]) => [
      first,
      rollouts.map(({ text }) => ({ text, logRatio: ratios.next().value as number })),
    ]),
  );
}

/**
 * Computes the rewards of the completions and log Ê(m) = log (1/K) Σ_k ratio(m, k) · exp(r(m, k) / λ)
 * relative to the term of the highest reward, so that only differences of rewards are divided by λ.
 */
async function sumEnergies<S extends ChainState>(
  groups: readonly CandidateGroup<S>[],
  drawn: Drawn,
  step: number,
  earlier: readonly Completion[],
  { rollouts, reward, lambda, asked, stopping, conditions, signal }: EstimateOptions,
): Promise<Omit<Estimate, "drawn" | "importance">> {
  const masses = groups.map(({ state }) => (conditions ? logMassOf(state) : 0));
  const weighted = groups.flatMap((group, g) =>
    toCompletions(group, drawn.get(group.first) ?? [], rollouts).map((completion) => ({
      ...completion,
      logMass: masses[g] as number,
    })),
  );
  // A text that the budget cut off, or a dead one, has no reward.
  const finished = weighted.filter(({ completion: { finishReason } }) => {
    return finishReason !== null && finishReason !== "dead";
  });
  const pool = finished.map(({ completion }) => completion);
  const input = { ...asked, pool, earlier };
  const rewards = pool.length === 0 ? [] : await scorePool(reward, input, step, signal);
  const weighing = rewards.filter((_, i) => finished[i]?.logRatio !== Number.NEGATIVE_INFINITY);
  const peak = weighing.length === 0 ? 0 : largestOf(weighing);
  const completions = finished.map(({ completion, logRatio, logShare, logMass }, i): Scored => {
    const earned = rewards[i] as number;
    const logWeight =
      logRatio === Number.NEGATIVE_INFINITY
        ? logRatio
        : Math.log(completion.samples) + logShare + logRatio + logMass + (earned - peak) / lambda;
    return { ...completion, reward: earned, logRatio, logWeight };
  });
  const relativeLogEnergies: number[] = [];
  for (const [g, { state, first, members }] of groups.entries()) {
    const own = completions.filter(({ candidate }) => candidate === first);
    const logEnergy =
      reward.isZero === true
        ? state.finishReason === "dead"
          ? Number.NEGATIVE_INFINITY
          : (masses[g] as number)
        : logSumExp(own.map((c) => c.logWeight)) - Math.log(members.length);
    for (const m of members) relativeLogEnergies[m] = logEnergy;
  }
  const logEnergies = relativeLogEnergies.map((x) => saturated(peak / lambda) + x);
  const isSettled = stopping !== null && isPoolSettled(reward, input, step, stopping);
  return { logEnergies, peak, relativeLogEnergies, completions, isSettled };
}

/**
 * The weights of rollouts that the reference drew: 1, unless it draws from another distribution than the
 * texts are to have (`Chain.conditions`).
 */
export function weightedByTarget(rollouts: readonly Rollout[]): WeightedRollout[] {
  return rollouts.map((text) => {
    const { logDrawn, logTarget = logDrawn } = text;
    return { text, logRatio: logTarget === logDrawn ? 0 : logTarget - logDrawn };
  });
}
