/** The axes of figures that show accuracy against cost. */

/** Returns the range of percentages, in steps of 5, that contains all intervals. */
export function accuracyRange(points: readonly { low: number; high: number }[]) {
  return {
    low: Math.max(0, Math.floor(Math.min(...points.map(({ low }) => low)) / 5) * 5),
    high: Math.min(100, Math.ceil(Math.max(...points.map(({ high }) => high)) / 5) * 5),
  };
}

/**
 * Returns the Pareto frontier in ascending cost: the points that are more accurate than every cheaper one.
 */
export function frontierOf<T extends { cost: number; accuracy: number }>(
  points: readonly T[],
): T[] {
  const ascending = [...points].sort((a, b) => a.cost - b.cost || b.accuracy - a.accuracy);
  let best = -1;
  return ascending.filter(({ accuracy }) => {
    if (accuracy <= best) return false;
    best = accuracy;
    return true;
  });
}

/** Returns the cost axis, which is logarithmic if costs differ by more than a factor of four. */
export function costScale(costs: readonly number[]) {
  const [low, high] = [Math.min(...costs), Math.max(...costs)];
  if (low <= 0 || high / low <= 4) {
    const domain = [0, high === 0 ? 1 : high * 1.15] as [number, number];
    return { type: "linear" as const, domain, ticks: 6, place: (v: number) => v / domain[1] };
  }
  const domain = [low / 1.35, high * 1.35] as [number, number];
  const [from, to] = domain;
  const decades = Array.from({ length: 40 }, (_, i) => 10 ** (i - 20));
  const steps = high / low > 300 ? [1] : [1, 2, 5];
  const ticks = decades.flatMap((d) => steps.map((s) => s * d)).filter((t) => t >= from && t <= to);
  const place = (v: number) => Math.log(v / from) / Math.log(to / from);
  return { type: "log" as const, domain, ticks, place };
}
