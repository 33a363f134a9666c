import { Command } from "commander";
import { compiledConstraint } from "../../engine/constraint/constraint.js";
import { METHOD_NAMES, METHODS } from "../../methods/registry.js";
import { findTask, taskNames } from "../../tasks/index.js";
import type { GradingMode, PromptForm } from "../../tasks/task.js";
import { failStalled, Interrupted, interruptSignal } from "../exit.js";
import {
  addMethodOptions,
  hasPresetReward,
  type MethodFlags,
  parseMethods,
  toMethodOptions,
} from "../method-flags.js";
import { addModelOptions, loadNamedModel, loadProposal } from "../model-flags.js";
import { numberOption } from "../numbers.js";

interface EvalFlags extends MethodFlags {
  methods: string;
  out: string;
  resume?: boolean;
  data?: string;
  limit?: number;
  samples?: number;
  seed?: number;
  /** The library checks both. */
  mode?: GradingMode;
  form?: PromptForm;
  allowCodeExecution?: boolean;
  concurrency?: number;
  queue?: string;
  json?: boolean;
}

export function evalCommand(): Command {
  const command = new Command("eval")
    .description("Evaluate methods on a task, into a run directory that can be resumed.")
    .argument("<task>", `${taskNames().join(", ")} or module:FILE`)
    .requiredOption("--out <dir>", "the run directory: run.json, samples.jsonl, summary.json")
    .option("--resume", "go on with the run in --out: what is there is not drawn again")
    .option(
      "--methods <names>",
      `${METHOD_NAMES.join(",")}; ets:M=4:K=2 sets options of one alone`,
      "sample,majority,best-of-n,ets",
    )
    .option("--data <file>", "the items: .jsonl, .jsonl.gz or .csv (default: the task's own)")
    .option("--limit <n>", "the first n items only", numberOption)
    .option("--samples <n>", "samples of each item and method (default: 1)", numberOption)
    .option(
      "--seed <n>",
      "seed of the run, of which each sample's derives (default: 0)",
      numberOption,
    )
    .option("--mode <mode>", "how answers are graded: fair, compat (default: fair)")
    .option("--form <form>", "prompts: chat, or paper's few-shot texts (default: chat)")
    .option("--allow-code-execution", "let graders run generated programs, in a sandbox")
    .option(
      "--concurrency <n>",
      "runs side by side, decoded together, as memory allows (default: 1)",
      numberOption,
    )
    .option("--queue <url>", "redis://host:6379, whose workers draw the samples");
  return addMethodOptions(addModelOptions(command), evaluatedMethods)
    .option("--json", "print the summary as one JSON object")
    .action(runEval);
}

/** The methods that were named, whose help is then shown. */
function evaluatedMethods(command: Command): string[] {
  if (command.getOptionValueSource("methods") !== "cli") return [];
  return parseMethods(String(command.opts().methods)).map(({ method }) => method);
}

async function runEval(taskName: string, flags: EvalFlags): Promise<void> {
  const { evaluate } = await import("../../evaluate/evaluate.js");
  const { resolveEvaluateOptions } = await import("../../evaluate/evaluate-options.js");
  const { evalProgress, formatEvaluation, formatInterrupted } = await import("./eval-output.js");
  const task = await findTask(taskName);
  const methods = parseMethods(flags.methods);
  const { out, resume, data, limit, samples, seed, concurrency, queue } = flags;
  const options = {
    ...{ methods, options: toMethodOptions(flags, task.name), out },
    ...given({ resume, data, limit, samples, seed, concurrency, queue }),
    ...given({
      mode: flags.mode,
      form: flags.form ?? (flags.preset as PromptForm | undefined),
      reward: hasPresetReward(flags) ? undefined : flags.reward,
      allowCodeExecution: flags.allowCodeExecution,
    }),
  };
  resolveEvaluateOptions(options);
  for (const each of [options, ...methods]) await compiledConstraint(each.options?.constraint);
  const needsProposal = methods.some(({ method }) => METHODS[method].proposal !== undefined);
  const signal = interruptSignal();
  const progress = evalProgress();
  process.once("beforeExit", failStalled);
  try {
    await using model = await loadNamedModel(flags, signal);
    await using proposal = needsProposal ? await loadProposal(flags, model, signal) : null;
    const evaluation = await evaluate(model, task, {
      ...options,
      ...(proposal && { proposal }),
      signal,
      onProgress: progress.show,
      onSample: (sample) => {
        if ("error" in sample) progress.sayOfFailure(sample.error);
      },
      onWarning: progress.say,
    });
    progress.close();
    const { summary } = evaluation;
    console.log(flags.json ? JSON.stringify(summary) : formatEvaluation(evaluation));
  } catch (error) {
    progress.close();
    if (error instanceof Interrupted) console.error(formatInterrupted(out, progress.last));
    throw error;
  } finally {
    process.off("beforeExit", failStalled);
  }
}

type Given<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** Without what isn't there: options that weren't given have their defaults elsewhere. */
function given<T extends object>(options: T): Given<T> {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Given<T>;
}
