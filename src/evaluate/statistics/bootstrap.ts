/**
 * The bootstrap over items (Efron 1979): items are drawn with replacement, each with all of its
 * measurements. Numbers computed from the same draws are paired, and several samples of an item
 * stay together (a cluster bootstrap).
 */
import seedrandom from "seedrandom";
import { quantileSorted } from "simple-statistics";
import type { Interval } from "./wilson.js";

export interface BootstrapOptions {
  /** Number of resamples, each as large as the set of items. Default 10,000. */
  resamples?: number;
  /** Seed of the random draws. Default 0. */
  seed?: number;
}

/**
 * Computes the means of each column over the same random draws of rows.
 *
 * @param columns one number per item each; all have the same length, at least 1
 * @returns for each column one mean per resample
 */
export function resampledMeans(
  columns: readonly (readonly number[])[],
  { resamples = 10_000, seed = 0 }: BootstrapOptions = {},
): Float64Array[] {
  const random = seedrandom(String(seed));
  const rows = columns[0]?.length ?? 0;
  const values = columns.map((column) => Float64Array.from(column));
  const means = columns.map(() => new Float64Array(resamples));
  const drawn = new Uint32Array(rows);
  for (let resample = 0; resample < resamples; resample++) {
    for (let i = 0; i < rows; i++) drawn[i] = Math.floor(random.quick() * rows);
    for (const [column, of] of values.entries()) {
      let sum = 0;
      for (let i = 0; i < rows; i++) sum += of[drawn[i] as number] as number;
      (means[column] as Float64Array)[resample] = sum / rows;
    }
  }
  return means;
}

/** Returns the interval of the middle 95% of the resampled values. */
export function percentileInterval(values: Float64Array): Interval {
  const sorted = Array.from(values.toSorted());
  return [quantileSorted(sorted, 0.025), quantileSorted(sorted, 0.975)];
}
