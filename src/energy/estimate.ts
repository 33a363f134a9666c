/**
 * Energies of a step's candidates, E(x_s) = E[exp(r(x_0) / λ)], x_0 ~ p_ref(· | x_s), from rollouts:
 *
 *   Ê(m) = (1/K) Σ_k w(m, k) exp(r(x_0(m, k)) / λ)
 *
 * A candidate that has ended is its own completion, and its energy is exact. Identical candidates
 * are rolled out once and weigh as many as they are. Where a constraint conditions p_ref, w and what a
 * candidate weighs are the masses of what it allowed on their way.
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

/** A completion, its reward and what it weighs. */
export interface Scored extends Completion {
  reward: number;
  /** log p_ref / p_proposal of the rollout; 0 where p_ref drew it, or the text is the candidate. */
  logRatio: number;
  /**
   * log of the term it adds to Σ_m Ê(m), ratio · exp(r / λ), over K, times the candidates; relative to
   * exp(r / λ) of the step's highest reward.
   */
  logWeight: number;
}

export interface Estimate {
  /** log Ê(m) for each candidate, as it is reported: finite, or -Infinity for no weight. */
  logEnergies: number[];
  /** The highest reward of a completion that has weight; 0 where none has. */
  peak: number;
  /**
   * log Ê(m) - peak / λ. Where r / λ is large, beyond 1e13 or out of a double's range, candidates
   * differ by less than log Ê(m) is rounded: choices are made by these.
   */
  relativeLogEnergies: number[];
  /** What the estimates rest on; a candidate that repeats another has that one's. */
  completions: Scored[];
  /** Whether more candidates would hardly change the rewards, by the run's confidence. */
  isSettled: boolean;
  /** φ of each candidate, null of those that have ended; absent without a potential. */
  potentials?: (number | null)[];
  /** Absent when p_ref drew every rollout. */
  importance?: ImportanceDiagnostics;
  /**
   * What was drawn, by the number of the first of identical candidates, with its ratios as they came:
   * an estimate of more candidates of the step goes on from it.
   */
  drawn: ReadonlyMap<number, readonly WeightedRollout[]>;
}

/** Draws K rollouts for each state, and says what each weighs. */
export interface RolloutSource {
  /** `numbers` name the states' draws. */
  draw<S extends ChainState>(
    states: readonly S[],
    step: number,
    numbers: readonly number[],
  ): Promise<WeightedRollout[][]>;
  /** The log ratios of all of a step's rollouts as they are to weigh; by default as they came. */
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
  /** What the reward is told of the prompt. */
  asked: Pick<RewardInput, "prompt" | "specials" | "extract">;
  /** When a step counts as settled; null: never. */
  stopping: Stopping | null;
  /** Rolls identical candidates out once. */
  shareDuplicates: boolean;
  /** Whether candidates weigh by the masses of what a constraint allowed on their way. Default false. */
  conditions?: boolean;
  signal: AbortSignal | undefined;
}

/** A step's candidates, and what is known of them and of the steps before. */
export interface StepEvidence<S extends ChainState> {
  step: number;
  candidates: readonly S[];
  /** Completions of the steps before, oldest first: rewards may pool them. */
  earlier: readonly Completion[];
  /** The estimate of the first of these candidates; what it rests on is not drawn again. */
  known?: Estimate | null;
}

/**
 * Draws the rollouts that are missing and sums up each candidate's energy.
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
  // What earns nothing, however it ends, has an energy of 1.
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

/** The rollouts with other ratios, in their order. */
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
 * Rewards the completions and sums up log Ê(m) = log (1/K) Σ_k ratio(m, k) · exp(r(m, k) / λ), relative
 * to the highest reward's term: only differences of rewards are divided by λ.
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
  // Cut off by the budget, or dead, a text has no reward.
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

/** A text that the reference drew weighs 1, where it draws from the law that is wanted. */
export function weightedByTarget(rollouts: readonly Rollout[]): WeightedRollout[] {
  return rollouts.map((text) => {
    const { logDrawn, logTarget = logDrawn } = text;
    return { text, logRatio: logTarget === logDrawn ? 0 : logTarget - logDrawn };
  });
}
