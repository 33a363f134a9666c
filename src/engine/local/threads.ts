/**
 * How many threads a model decodes with. ggml's threads spin at barriers, so a thread that shares
 * its core with a busy process makes all of them wait, sixty-fold at worst; and a small model is
 * no faster on two threads than on one.
 */
import { availableParallelism } from "node:os";
import { resolveSampling } from "../sampling.js";
import { Context } from "./context.js";
import { DiffusionContext } from "./diffusion-context.js";
import type { NativeModel, NativeModelInfo } from "./native-model.js";

/** Below this many parameters one thread is always right. */
const SMALL_MODEL = 100e6;
/** Passes timed for each number of threads, after one that warms the caches. */
const PROBES = 3;
const NO_LIMIT = 1e9;

/** Chooses by size, and for large models by timing one thread against all cores, as they are now. */
export async function chooseThreads(model: NativeModel, info: NativeModelInfo): Promise<number> {
  const cores = Math.min(availableParallelism(), 64);
  if (info.parameters < SMALL_MODEL || cores === 1) return 1;
  const time = info.isDiffusion ? timeReads : timeDecodes;
  const alone = fastest(await time(model, 1, NO_LIMIT));
  // Fewer threads than cores may win when some are busy: halve until the gain is real.
  let best = { threads: 1, ms: alone };
  for (let threads = cores; threads > 1; threads = Math.floor(threads / 2)) {
    const ms = slowest(await time(model, threads, alone * PROBES));
    if (ms < best.ms) best = { threads, ms };
  }
  return best.threads;
}

/** Milliseconds of up to `PROBES` decodes of one token, until they add up to `limitMs`. */
async function timeDecodes(
  model: NativeModel,
  threads: number,
  limitMs: number,
): Promise<Float64Array> {
  await using context = await Context.open(model, { cells: 64, sequences: 1, threads });
  await context.timeDecodes(threads, 1, NO_LIMIT);
  return context.timeDecodes(threads, PROBES, limitMs);
}

/** As `timeDecodes`, for passes of a diffusion model over a short text. */
async function timeReads(
  model: NativeModel,
  threads: number,
  limitMs: number,
): Promise<Float64Array> {
  const length = 16;
  await using context = await DiffusionContext.open(model, {
    length: length + 1,
    texts: 1,
    threads,
  });
  const text = { tokens: new Int32Array(length), targets: new Int32Array(length).fill(-1) };
  const sampling = resolveSampling({}, 1);
  const times: number[] = [];
  for (let total = 0; times.length <= PROBES && total < limitMs; total += times.at(-1) ?? 0) {
    const start = performance.now();
    await context.scoreStates(Int32Array.of(0), [text], { sampling });
    times.push(performance.now() - start);
  }
  return Float64Array.from(times.length > 1 ? times.slice(1) : times);
}

function fastest(times: Float64Array): number {
  return Math.min(...times);
}

/** A busy core shows in the slowest decode. */
function slowest(times: Float64Array): number {
  return Math.max(...times);
}
