/** Formats rewards for reports: ranges, words and colours. */

import { counted, number } from "../format.js";
import { REWARD_LEVELS, rewardColor } from "../style.js";
import type { Trace, TraceCompletion } from "../trace.js";

/** The minimum, maximum and mean reward of some texts. */
export interface RewardRange {
  min: number;
  max: number;
  mean: number;
}

/** Returns the range of the rewards; null if no text has one. */
export function rangeOf(
  completions: readonly Pick<TraceCompletion, "reward">[],
): RewardRange | null {
  if (completions.length === 0) return null;
  const rewards = completions.map(({ reward }) => reward);
  return {
    min: rewards.reduce((a, b) => Math.min(a, b)),
    max: rewards.reduce((a, b) => Math.max(a, b)),
    mean: rewards.reduce((a, b) => a + b, 0) / rewards.length,
  };
}

/** "0.5", or "0.33 to 0.83, mean 0.6". */
export function rangeText({ min, max, mean }: RewardRange): string {
  return min === max ? number(min) : `${number(min)} to ${number(max)}, mean ${number(mean)}`;
}

/** Describes where a run has seen a text. Steps, candidates and rollouts count from 1. */
export function placeOf({ step, candidate, rollout }: NonNullable<Trace["best"]>): string {
  const own = `step ${step + 1}, candidate ${candidate + 1}`;
  return rollout === null ? own : `${own}, rollout ${rollout + 1}`;
}

/** "1.3 nats". */
export function natsText(divergence: number): string {
  return counted(Number(divergence.toPrecision(2)), "nat");
}

/** The fields of a run that determine what its text is a sample of. */
interface Drawn {
  law?: string | undefined;
  stopReason: string;
  settings?: { potential?: unknown; finish?: unknown } | undefined;
  usage?: { retokenised?: number | undefined } | undefined;
}

/** Describes what a text is a sample of if it isn't a sample of its method's law; otherwise undefined. */
export function lawNote({ law, settings, stopReason, usage }: Drawn): string | undefined {
  if (law === "biased") {
    const near = "a sample of a law near the target";
    if ((usage?.retokenised ?? 0) > 0) {
      return `${near}: the server may have read texts as other tokens than it drew`;
    }
    if (settings?.potential !== undefined) return `${near}: a potential stands for the energies`;
    return `${near}: its importance weights are treated or approximate`;
  }
  if (law !== "none") return undefined;
  if (stopReason === "closed") return "closed as its constraint allows, no sample of the law";
  if (settings?.finish === "best") return "the best text seen, no sample of the law";
  return stopReason === "budget"
    ? "the best of what the budget left, no sample of the law"
    : undefined;
}

/** The colour scale from the lowest reward of a run to the highest. */
export class RewardColors {
  readonly min: number;
  readonly max: number;

  constructor(range: Pick<RewardRange, "min" | "max"> | null) {
    this.min = range?.min ?? 0;
    this.max = range?.max ?? 0;
  }

  /** Returns the colour of a reward: grey for none, and the colour of the highest reward if all are equal. */
  of(reward: number | null): string {
    if (reward === null) return "var(--dim)";
    const span = this.max - this.min;
    const share = span > 0 ? (reward - this.min) / span : 1;
    return rewardColor(Math.round(Math.min(1, Math.max(0, share)) * (REWARD_LEVELS - 1)));
  }

  /** The colours of the scale, from the lowest reward to the highest. */
  get colors(): string[] {
    const levels = this.min === this.max ? [REWARD_LEVELS - 1] : [...Array(REWARD_LEVELS).keys()];
    return levels.map(rewardColor);
  }
}
