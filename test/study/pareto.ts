import seedrandom from "seedrandom";

/** Draws of a generalised Pareto distribution with scale 1. */
export function paretoSample(count: number, shape: number, seed: string): number[] {
  const random = seedrandom(seed);
  return Array.from({ length: count }, () => {
    const log = Math.log1p(-random());
    return shape === 0 ? -log : Math.expm1(-shape * log) / shape;
  });
}
