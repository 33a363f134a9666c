import { evaluate } from "../evaluate/evaluate.js";
import { isFailed } from "../evaluate/store/run-files.js";
import { findTask } from "../tasks/index.js";
import type { GradingMode, PromptForm } from "../tasks/task.js";
import type { EvalFlags } from "./eval.js";
import { evalProgress, formatEvaluation, formatInterrupted } from "./eval-output.js";
import { parseMethods } from "./evaluated-methods.js";
import { failStalled, Interrupted, interruptSignal } from "./exit.js";
import { loadNamedModel, loadProposal } from "./load-named-model.js";
import { hasPresetReward, toMethodOptions } from "./method-options.js";

export async function runEval(taskName: string, flags: EvalFlags): Promise<void> {
  const task = await findTask(taskName);
  const methods = parseMethods(flags.methods);
  const options = toMethodOptions(flags, task.name);
  const needsProposal = methods.some(({ method }) => method === "ets-is");
  const signal = interruptSignal();
  const progress = evalProgress();
  process.once("beforeExit", failStalled);
  try {
    await using model = await loadNamedModel(flags, signal);
    await using proposal = needsProposal ? await loadProposal(flags, model, signal) : null;
    const { out, resume, data, limit, samples, seed, concurrency, queue } = flags;
    const given = {
      ...{ resume, data, limit, samples, seed, concurrency, queue },
      mode: flags.mode as GradingMode | undefined,
      form: (flags.form ?? flags.preset) as PromptForm | undefined,
      reward: hasPresetReward(flags) ? undefined : flags.reward,
      allowCodeExecution: flags.allowCodeExecution,
    };
    const evaluation = await evaluate(model, task, {
      ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
      ...{ methods, options, out, signal },
      ...(proposal && { proposal }),
      onProgress: progress.show,
      onSample: (sample) => {
        if (isFailed(sample)) progress.sayOfFailure(sample.error);
      },
      onWarning: progress.say,
    });
    progress.close();
    const { summary } = evaluation;
    console.log(flags.json ? JSON.stringify(summary) : formatEvaluation(evaluation));
  } catch (error) {
    progress.close();
    if (error instanceof Interrupted) console.error(formatInterrupted(flags.out, progress.last));
    throw error;
  } finally {
    process.off("beforeExit", failStalled);
  }
}
