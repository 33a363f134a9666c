/** Rewards as reports tell of them: ranges, words and colours. */

import { counted, number } from "../format.js";
import { REWARD_LEVELS, rewardColor } from "../style.js";
import type { Trace, TraceCompletion } from "../trace.js";

/** The least reward of some texts, the greatest, and their mean. */
export interface RewardRange {
  min: number;
  max: number;
  mean: number;
}

/** Null of no texts. */
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

/** Where a run has seen a text, as people count: from 1. */
export function placeOf({ step, candidate, rollout }: NonNullable<Trace["best"]>): string {
  const own = `step ${step + 1}, candidate ${candidate + 1}`;
  return rollout === null ? own : `${own}, rollout ${rollout + 1}`;
}

/** "1.3 nats". */
export function natsText(divergence: number): string {
  return counted(Number(divergence.toPrecision(2)), "nat");
}

/** What of a run says what its text is a sample of. */
interface Drawn {
  law?: string | undefined;
  stopReason: string;
  settings?: { potential?: unknown; finish?: unknown } | undefined;
  usage?: { retokenised?: number | undefined } | undefined;
}

/** What a text is a sample of, where that isn't its method's law; undefined where it is. */
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

/** Colours from the least reward of a run to the greatest. */
export class RewardColors {
  readonly min: number;
  readonly max: number;

  constructor(range: Pick<RewardRange, "min" | "max"> | null) {
    this.min = range?.min ?? 0;
    this.max = range?.max ?? 0;
  }

  /** Grey where there is no reward; the greatest's where all are the same. */
  of(reward: number | null): string {
    if (reward === null) return "var(--dim)";
    const span = this.max - this.min;
    const share = span > 0 ? (reward - this.min) / span : 1;
    return rewardColor(Math.round(Math.min(1, Math.max(0, share)) * (REWARD_LEVELS - 1)));
  }

  /** The scale, from the least reward to the greatest. */
  get colors(): string[] {
    const levels = this.min === this.max ? [REWARD_LEVELS - 1] : [...Array(REWARD_LEVELS).keys()];
    return levels.map(rewardColor);
  }
}
