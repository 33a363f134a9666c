/** Draws samples in this process, several runs side by side. */
import { getMaxListeners, setMaxListeners } from "node:events";
import { type DrawContext, type DrawRequest, drawSample } from "./draw-sample.js";
import { openSideBySide } from "./side-by-side.js";

interface LocalOptions extends DrawContext {
  concurrency: number;
  onWarning: ((message: string) => void) | undefined;
}

/** Draws the jobs in order; the first error of a callback, or an abort, ends it. */
export async function drawLocally(
  { jobs, onOutcome }: DrawRequest,
  options: LocalOptions,
): Promise<void> {
  const waiting = jobs.values();
  let failure: { error: unknown } | undefined;
  const drawOn = async () => {
    for (const job of waiting) {
      if (failure !== undefined) return;
      try {
        await onOutcome(job, await drawSample(job, options));
      } catch (error) {
        failure ??= { error };
      }
    }
  };
  const asked = Math.min(options.concurrency, jobs.length);
  if (options.signal) allowListeners(options.signal, asked);
  await using sideBySide = await openSideBySide(asked, jobs, options);
  await Promise.all(Array.from({ length: sideBySide.concurrency }, drawOn));
  if (failure !== undefined) throw failure.error;
}

/** A run listens to its signal once or twice: as many as there are runs are no leak to warn of. */
function allowListeners(signal: AbortSignal, runs: number): void {
  const most = getMaxListeners(signal);
  if (most !== 0) setMaxListeners(Math.max(most, 10 + 4 * runs), signal);
}
