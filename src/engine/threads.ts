/**
 * How many threads a model decodes with. ggml's threads spin at barriers, so a thread that shares
 * its core with a busy process makes all of them wait, sixty-fold at worst; and a small model is
 * no faster on two threads than on one.
 */
import { availableParallelism } from "node:os";
import { Context } from "./context.js";
import type { NativeModel } from "./native.js";

/** Below this many parameters one thread is always right. */
const SMALL_MODEL = 100e6;
/** Decodes timed for each number of threads, after one that warms the caches. */
const PROBES = 3;
const NO_LIMIT = 1e9;

/** Chooses by size, and for large models by timing one thread against all cores, as they are now. */
export async function chooseThreads(model: NativeModel, parameters: number): Promise<number> {
  const cores = Math.min(availableParallelism(), 64);
  if (parameters < SMALL_MODEL || cores === 1) return 1;
  await using context = await Context.open(model, { cells: 64, sequences: 1, threads: 1 });
  await context.timeDecodes(1, 1, NO_LIMIT);
  const alone = fastest(await context.timeDecodes(1, PROBES, NO_LIMIT));
  // Fewer threads than cores may win when some are busy: halve until the gain is real.
  let best = { threads: 1, ms: alone };
  for (let threads = cores; threads > 1; threads = Math.floor(threads / 2)) {
    const ms = slowest(await context.timeDecodes(threads, PROBES, alone * PROBES));
    if (ms < best.ms) best = { threads, ms };
  }
  return best.threads;
}

function fastest(times: Float64Array): number {
  return Math.min(...times);
}

/** A busy core shows in the slowest decode. */
function slowest(times: Float64Array): number {
  return Math.max(...times);
}
