/**
 * Chooses the number of threads that decode. ggml's threads spin at barriers. So one thread that shares
 * its core with a busy process makes all others wait, which can be sixty times slower. A small model is
 * no faster on two threads than on one.
 */
import { availableParallelism } from "node:os";
import { resolveSampling } from "../sampling.js";
import { Context } from "./context.js";
import { DiffusionContext } from "./diffusion-context.js";
import type { NativeModel, NativeModelInfo } from "./native-model.js";

/** For models with fewer parameters, one thread is always best. */
const SMALL_MODEL = 100e6;
/** Timed passes for each number of threads. An untimed pass before them warms the caches. */
const PROBES = 3;
const NO_LIMIT = 1e9;

/** Chooses by the model's size. For large models it times one thread and several numbers of threads. */
export async function chooseThreads(model: NativeModel, info: NativeModelInfo): Promise<number> {
  const cores = Math.min(availableParallelism(), 64);
  if (info.parameters < SMALL_MODEL || cores === 1) return 1;
  const time = info.isDiffusion ? timeReads : timeDecodes;
  const alone = fastest(await time(model, 1, NO_LIMIT));
  // With busy cores, fewer threads may be faster than one for each core: try all, a half, a quarter, …
  let best = { threads: 1, ms: alone };
  for (let threads = cores; threads > 1; threads = Math.floor(threads / 2)) {
    const ms = slowest(await time(model, threads, alone * PROBES));
    if (ms < best.ms) best = { threads, ms };
  }
  return best.threads;
}

/** Times up to `PROBES` decodes of one token, until their sum reaches `limitMs`. Returns milliseconds. */
async function timeDecodes(
  model: NativeModel,
  threads: number,
  limitMs: number,
): Promise<Float64Array> {
  await using context = await Context.open(model, { cells: 64, sequences: 1, threads });
  await context.timeDecodes(threads, 1, NO_LIMIT);
  return context.timeDecodes(threads, PROBES, limitMs);
}

/** Like `timeDecodes`, for passes of a diffusion model over a short text. */
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

/** The slowest decode, which shows whether a core is busy. */
function slowest(times: Float64Array): number {
  return Math.max(...times);
}
