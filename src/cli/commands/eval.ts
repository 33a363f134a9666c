import { existsSync } from "node:fs";
import path from "node:path";
import { Command } from "commander";
import { compiledConstraint } from "../../engine/constraint/constraint.js";
import { LlamaEtsError } from "../../engine/errors.js";
import { given } from "../../engine/given.js";
import type { EvaluateOptions } from "../../evaluate/evaluate-options.js";
import type { EvaluationProgress } from "../../evaluate/progress.js";
import type { TokenPart } from "../../evaluate/store/run-files.js";
import { METHOD_NAMES, METHODS } from "../../methods/registry.js";
import { findTask, TASK_SPECS } from "../../tasks/index.js";
import type { GradingMode, PromptForm } from "../../tasks/task.js";
import { groupOptions } from "../help-groups.js";
import {
  addMethodOptions,
  gridOf,
  hasPresetReward,
  isMethodsOwn,
  type MethodFlags,
  parseMethods,
  toMethodOptions,
} from "../method-flags.js";
import { addModelOptions, isolatingOwn, loadNamedModel, loadProposal } from "../model-flags.js";
import { numberOption } from "../numbers.js";

interface EvalFlags extends MethodFlags {
  methods: string;
  out?: string;
  config?: string;
  resume?: boolean;
  data?: string;
  limit?: number;
  maxFailures?: number;
  samples?: number;
  budgetTokensTotal?: number;
  seed?: number;
  /** The library checks `mode` and `form`. */
  mode?: GradingMode;
  form?: PromptForm;
  grader?: string;
  allowCodeExecution?: boolean;
  keep?: EvaluateOptions["keep"];
  concurrency?: number;
  queue?: string;
  watch?: boolean;
  json?: boolean;
}

export function evalCommand(command: Command): Command {
  command
    .argument("[task]", TASK_SPECS)
    .option("--out <dir>", "the run directory (default: runs/TASK-MODEL-DAY)")
    .option(
      "--config <file>",
      "a sweep in YAML: tasks, models, methods with lists of settings, seeds",
    )
    .option("--resume", "go on with the run in --out: what is there is not drawn again")
    .option(
      "--methods <names>",
      `${METHOD_NAMES.join(",")},auto; ets:M=4:K=2 sets options of one alone, ets:M=2,4 tries each`,
      "sample,majority,best-of-n,ets",
    )
    .option(
      "--data <file>",
      "the items: .jsonl, .json, .csv, .tsv (perhaps .gz) or .parquet (default: the task's own)",
    )
    .option("--limit <n>", "the first n items only", numberOption)
    .option(
      "--max-failures <n>",
      "end early, with what there is, once n samples have failed",
      numberOption,
    )
    .option("--samples <n>", "samples of each item and method (default: 1)", numberOption)
    .option(
      "--budget-tokens-total <n>",
      "tokens of the whole evaluation: items whose votes are settled leave theirs to the others",
      numberOption,
    )
    .option(
      "--seed <n>",
      "the run's seed, from which each sample's is derived (default: 0)",
      numberOption,
    )
    .option("--mode <mode>", "how answers are graded: fair, compat (default: fair)")
    .option(
      "--grader <judge>",
      "judge:GGUF: an instruct model grades by the reference answer (default: the task's own)",
    )
    .option("--form <form>", "prompts: chat, or paper's few-shot texts (default: chat)")
    .option("--allow-code-execution", "let graders run generated programs, in a sandbox")
    .option(
      "--keep <what>",
      "what to keep of the texts that majority and best-of-n chose from: none, texts (default), or some of tokens,logprobs,entropies for each token",
      keptOption,
    )
    .option(
      "--concurrency <n>",
      "runs side by side, decoded together, as memory allows (default: 1)",
      numberOption,
    )
    .option("--queue <url>", "redis://host:6379, whose workers draw the samples");
  addMethodOptions(addModelOptions(command), evaluatedMethods, { takesLists: true })
    .option("--watch", "show each method's accuracy so far, with its interval, as a table")
    .option("--json", "print the summary as one JSON object")
    .action(runEval);
  return groupOptions(command, COMMON, isMethodsOwn, [
    "llama-ets eval mini-gsm --methods sample,majority,ets --limit 50 --out runs/first",
    "llama-ets eval gsm8k -m model.gguf --methods majority:M=16,ets:M=8:K=2 --out runs/gsm8k",
    "llama-ets eval gsm8k -m model.gguf --out runs/gsm8k --resume",
  ]);
}

/** Parses `--keep`. The library checks the names. */
function keptOption(text: string): NonNullable<EvaluateOptions["keep"]> {
  return text === "none" || text === "texts" ? text : (text.split(",") as TokenPart[]);
}

const COMMON = [
  "out",
  "resume",
  "methods",
  "model",
  "limit",
  "samples",
  "seed",
  "data",
  "mode",
  "form",
  "candidates",
  "rollouts",
  "block-tokens",
  "reward",
  "allow-code-execution",
  "config",
];

/** Returns the methods that the user named, whose help is then shown. */
function evaluatedMethods(command: Command): string[] {
  if (command.getOptionValueSource("methods") !== "cli") return [];
  return parseMethods(String(command.opts().methods)).map(({ method }) => method);
}

/**
 * Returns `runs/TASK-MODEL-DAY`, with a number from the second directory on. With `--resume` it is the last
 * existing directory of this name, and otherwise a new one.
 */
function defaultDirectory(task: string, { model, resume }: EvalFlags): string {
  const [day] = new Date().toISOString().split("T");
  const parts = [path.basename(task), path.basename(model, ".gguf"), day];
  const name = parts.join("-").replace(/[^\w.+-]+/g, "_");
  const numbered = (n: number) => path.join("runs", n === 1 ? name : `${name}-${n}`);
  let n = 1;
  while (existsSync(numbered(n))) n++;
  return numbered(resume ? Math.max(1, n - 1) : n);
}

/** Flags that may be given with a sweep's file. The file sets all other options. */
const BESIDE_CONFIG = [
  "config",
  "out",
  "resume",
  "queue",
  "allowCodeExecution",
  "keep",
  "maxFailures",
  "watch",
  "json",
];

/** Throws `ERR_INVALID_OPTION` for a flag that a sweep would ignore. */
function refuseBesideConfig(command: Command): void {
  const ofModels = addModelOptions(new Command()).options.map((option) => option.attributeName());
  const allowed = [...BESIDE_CONFIG, ...ofModels];
  const other = command.options.find(
    (option) =>
      command.getOptionValueSource(option.attributeName()) === "cli" &&
      !allowed.includes(option.attributeName()),
  );
  if (other === undefined) return;
  throw new LlamaEtsError("ERR_INVALID_OPTION", `${other.long} has no effect on a sweep`, {
    fix: "what the file of --config says in its place",
  });
}

async function runEval(
  taskName: string | undefined,
  flags: EvalFlags,
  command: Command,
): Promise<void> {
  if (flags.config !== undefined) {
    refuseBesideConfig(command);
    const { runSweepCommand } = await import("./sweep.js");
    const isModelGiven = command.getOptionValueSource("model") === "cli";
    return runSweepCommand(flags.config, taskName, flags, isModelGiven);
  }
  if (taskName === undefined) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "Expected a task, got none", {
      fix: "llama-ets eval mini-gsm --out runs/first, or --config sweep.yaml",
    });
  }
  const { evaluate } = await import("../../evaluate/evaluate.js");
  const { resolveEvaluateOptions } = await import("../../evaluate/evaluate-options.js");
  const { checkVoting } = await import("../../evaluate/total-budget.js");
  const { formatEvaluation, formatInterrupted } = await import("./eval-output.js");
  const { withProgress } = await import("./drawing.js");
  const task = await findTask(taskName);
  const grid = gridOf(flags.methods, flags);
  const methods = parseMethods(grid.methods);
  const { resume, data, limit, maxFailures, samples, seed, concurrency, queue } = flags;
  const { budgetTokensTotal } = flags;
  const out = flags.out ?? defaultDirectory(task.name, flags);
  const options = {
    methods,
    options: toMethodOptions(grid.flags as EvalFlags, task.name),
    out,
    ...given({ resume, data, limit, maxFailures, samples, seed, concurrency, queue }),
    ...given({
      mode: flags.mode,
      form: flags.form ?? (flags.preset as PromptForm | undefined),
      reward: hasPresetReward(flags) ? undefined : flags.reward,
      allowCodeExecution: flags.allowCodeExecution,
      keep: flags.keep,
      grader: flags.grader,
      budgetTokensTotal,
    }),
  };
  resolveEvaluateOptions(options);
  if (budgetTokensTotal !== undefined) checkVoting(task, samples);
  for (const each of [options, ...methods]) await compiledConstraint(each.options?.constraint);
  if (flags.out === undefined) console.error(`The run directory is ${out}`);
  const needsProposal = methods.some(
    ({ method }) => method !== "auto" && METHODS[method].proposal !== undefined,
  );
  const sayKept = (last?: EvaluationProgress) => formatInterrupted(out, last);
  const evaluation = await withProgress(flags, sayKept, async (shown) => {
    const models = isolatingOwn(flags);
    await using model = await loadNamedModel(models, shown.signal);
    await using proposal = needsProposal ? await loadProposal(models, model, shown.signal) : null;
    return await evaluate(model, task, { ...options, ...(proposal && { proposal }), ...shown });
  });
  const { summary, failed, endedEarly } = evaluation;
  if (endedEarly) console.error(`Ended early: ${failed} samples failed; --resume goes on`);
  console.log(flags.json ? JSON.stringify(summary) : formatEvaluation(evaluation));
}
