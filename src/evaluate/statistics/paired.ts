/** 95% intervals of the mean difference of paired outcomes, valid even if hardly any pair differs. */
import { type Interval, Z95 } from "./wilson.js";

/**
 * Tango's score interval (1998) of p(won) - p(lost), from `items` pairs of right or wrong outcomes. It
 * contains the differences that the score test doesn't reject. When only two of a hundred items differ, it
 * still covers the truth; the bootstrap doesn't, because it can't draw what it has not seen.
 *
 * @param items at least 1, and at least won + lost
 */
export function tangoInterval(won: number, lost: number, items: number): Interval {
  const observed = (won - lost) / items;
  const isTooSmall = (difference: number) => scoreZ(won, lost, items, difference) > Z95;
  const isTooLarge = (difference: number) => scoreZ(won, lost, items, difference) < -Z95;
  return [
    observed === -1 ? -1 : edge(-1, observed, isTooSmall),
    observed === 1 ? 1 : edge(1, observed, isTooLarge),
  ];
}

/**
 * Returns z of the score test of a difference. The probability of a lost item is its maximum-likelihood value
 * for this difference.
 */
function scoreZ(won: number, lost: number, items: number, difference: number): number {
  const a = 2 * items;
  const b = (a - won + lost) * difference - won - lost;
  const c = -lost * difference * (1 - difference);
  const likeliest = Math.max(0, (Math.sqrt(Math.max(0, b * b - 4 * a * c)) - b) / (2 * a));
  const variance = items * (2 * likeliest + difference * (1 - difference));
  const excess = won - lost - items * difference;
  if (variance > 0) return excess / Math.sqrt(variance);
  return Math.sign(excess) * Number.POSITIVE_INFINITY;
}

/** Finds, by bisection, where rejection ends between a difference that may be rejected and one that isn't. */
function edge(outside: number, inside: number, isRefused: (at: number) => boolean): number {
  let [refused, kept] = [outside, inside];
  if (!isRefused(refused)) return refused;
  for (let i = 0; i < 60; i++) {
    const middle = (refused + kept) / 2;
    if (isRefused(middle)) refused = middle;
    else kept = middle;
  }
  return kept;
}

/**
 * Bonett and Price's interval (2012): the normal interval after adding two pairs, one won and one lost.
 *
 * @param differences one per item, each from -1 to 1; at least one
 */
export function bonettPriceInterval(differences: readonly number[]): Interval {
  const size = differences.length + 2;
  const mean = differences.reduce((sum, d) => sum + d, 0) / size;
  const squares = differences.reduce((sum, d) => sum + d * d, 2) / size;
  const half = Z95 * Math.sqrt((squares - mean * mean) / size);
  return [Math.max(-1, mean - half), Math.min(1, mean + half)];
}
