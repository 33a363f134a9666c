/** The lower and the upper bound. */
export type Interval = [low: number, high: number];

/** Φ⁻¹(0.975). */
export const Z95 = 1.959963984540054;

/**
 * Wilson's 95% score interval of a probability, from `successes` of `trials` independent trials
 * (Wilson 1927). Needs at least one trial.
 */
export function wilsonInterval(successes: number, trials: number): Interval {
  const rate = successes / trials;
  const z2 = Z95 ** 2 / trials;
  const centre = (rate + z2 / 2) / (1 + z2);
  const half = (Z95 * Math.sqrt((rate * (1 - rate) + z2 / 4) / trials)) / (1 + z2);
  return [Math.max(0, centre - half), Math.min(1, centre + half)];
}
