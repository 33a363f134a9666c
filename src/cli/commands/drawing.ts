/** What all commands that draw samples share: their progress, and how they end. */
import type { EvaluateOptions } from "../../evaluate/evaluate-options.js";
import type { EvaluationProgress } from "../../evaluate/progress.js";
import { failStalled, Interrupted, interruptSignal } from "../exit.js";
import { evalProgress, formatBudget } from "./eval-output.js";

/** Options for an evaluation that show its progress and let Ctrl-C end it. */
export type Shown = Required<
  Pick<EvaluateOptions, "onProgress" | "onSample" | "onWarning" | "onBudget">
> & { signal: AbortSignal };

/**
 * Draws samples with progress on standard error. The progress is removed before this returns or throws.
 * Failed samples make the command exit with 1.
 *
 * @param sayKept returns the message about the progress so far if Ctrl-C ends the drawing
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
