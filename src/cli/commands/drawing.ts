/** What commands that draw samples have in common: their progress, and how they end. */
import type { EvaluateOptions } from "../../evaluate/evaluate-options.js";
import type { EvaluationProgress } from "../../evaluate/progress.js";
import { failStalled, Interrupted, interruptSignal } from "../exit.js";
import { evalProgress, formatBudget } from "./eval-output.js";

/** What an evaluation is given, so that its progress is shown and Ctrl-C ends it. */
export type Shown = Required<
  Pick<EvaluateOptions, "onProgress" | "onSample" | "onWarning" | "onBudget">
> & { signal: AbortSignal };

/**
 * Draws with progress on standard error, which is gone once this returns or throws. Samples that failed make
 * the command exit with 1.
 *
 * @param sayKept what is said where Ctrl-C ends it, of how far it was
 */
export async function withProgress<T extends { failed: number }>(
  { watch = false }: { watch?: boolean },
  sayKept: (last: EvaluationProgress | undefined) => string,
  draw: (shown: Shown) => Promise<T>,
): Promise<T> {
  const signal = interruptSignal();
  const progress = evalProgress({ watch });
  process.once("beforeExit", failStalled);
  try {
    const drawn = await draw({
      signal,
      onProgress: progress.show,
      onWarning: progress.say,
      onSample: (sample) => {
        if ("error" in sample) progress.sayOfFailure(sample.error);
      },
      onBudget: (plan) => progress.say(formatBudget(plan)),
    });
    if (drawn.failed > 0) process.exitCode = 1;
    return drawn;
  } catch (error) {
    progress.close();
    if (error instanceof Interrupted) console.error(sayKept(progress.last));
    throw error;
  } finally {
    progress.close();
    process.off("beforeExit", failStalled);
  }
}
