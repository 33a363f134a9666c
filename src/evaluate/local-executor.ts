/** Draws samples in this process, with several concurrent runs. */
import { getMaxListeners, setMaxListeners } from "node:events";
import { type DrawContext, type DrawRequest, drawSample } from "./draw-sample.js";
import { openSideBySide } from "./side-by-side.js";

interface LocalOptions extends DrawContext {
  concurrency: number;
  onWarning: ((message: string) => void) | undefined;
}

/** Draws the jobs in order. The first error of a callback, or an abort, ends the drawing. */
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

/**
 * Raises the limit of listeners of a signal. Each run adds one or two listeners, and Node would warn of a
 * leak.
 */
function allowListeners(signal: AbortSignal, runs: number): void {
  const most = getMaxListeners(signal);
  if (most !== 0) setMaxListeners(Math.max(most, 10 + 4 * runs), signal);
}
