/** Runs a sweep: one evaluation for each task, model and seed, each in a directory of its own. */
import path from "node:path";
import { resolveBundledName } from "../../engine/bundled-models.js";
import type { Model } from "../../engine/engine.js";
import { given } from "../../engine/given.js";
import { findTask } from "../../tasks/index.js";
import { loadItems, type Task, type TaskItem } from "../../tasks/task.js";
import { evaluate } from "../evaluate.js";
import { type EvaluateOptions, resolveEvaluateOptions } from "../evaluate-options.js";
import { measuredSamples } from "../store/item-votes.js";
import { readRun } from "../store/read-run.js";
import { checkVoting } from "../total-budget.js";
import {
  type BestSetting,
  bestSettings,
  type SweepSetting,
  scoreSettings,
} from "./best-settings.js";
import { type SweepConfig, toEvaluated } from "./sweep-config.js";

/** A task and model of a sweep, over all seeds. */
export interface SweepResult {
  task: string;
  model: string;
  /** The run directories, one per seed. */
  directories: string[];
  settings: SweepSetting[];
  best: BestSetting[];
  /** Failed samples of this call. The numbers of the settings don't include them. */
  failed: number;
  /** Whether `maxFailures` ended the sweep here. */
  endedEarly: boolean;
}

export interface SweepOptions
  extends Pick<
    EvaluateOptions,
    "signal" | "onProgress" | "onSample" | "onWarning" | "onBudget" | "queue" | "keep"
  > {
  /** The directory of all runs. */
  out: string;
  /** Continues existing runs. Default false. */
  resume?: boolean;
  allowCodeExecution?: boolean;
  /** Ends the sweep early once this many samples have failed. Default: all samples are drawn. */
  maxFailures?: number;
  /** Opens a model by its name in the sweep's file. The sweep disposes it. */
  openModel: (name: string) => Promise<Model>;
  /** Called before each evaluation. */
  onRun?: (run: { task: string; model: string; seed: number; directory: string }) => void;
}

/**
 * Runs the evaluations of a sweep one after another, and loads each model once. `resume` keeps finished
 * evaluations. Errors in the options of any evaluation are found before the first one starts. With
 * `maxFailures`, the result that ended early is the last one. Throws as `evaluate` does.
 */
export async function runSweep(
  { models = [], methods, seeds, options: common, proposal, ...config }: SweepConfig,
  { out, openModel, onRun, maxFailures, ...options }: SweepOptions,
): Promise<SweepResult[]> {
  const { limit, samples, budgetTokensTotal, reward, mode, form, concurrency } = config;
  const shared = {
    ...given({ limit, samples, budgetTokensTotal, reward, mode, form, concurrency }),
    methods: methods.map(toEvaluated),
    options: common,
  };
  resolveEvaluateOptions({ ...shared, ...options, out });
  const { isRemote, resolveModelPath } = await import("../../engine/model-path.js");
  for (const name of [...models, ...(proposal === undefined ? [] : [proposal])]) {
    if (!isRemote(name)) await resolveModelPath(resolveBundledName(name), () => {}, options.signal);
  }
  const tasks = await openTasks(config, options.signal);
  const results: SweepResult[] = [];
  let allFailed = 0;
  const modelFolders = foldersOf(models);
  for (const [m, modelName] of models.entries()) {
    await using model = await openModel(modelName);
    await using draft = proposal === undefined ? null : await openModel(proposal);
    for (const { name, task, items, folder, data } of tasks) {
      const directories: string[] = [];
      let [failed, endedEarly] = [0, false];
      for (const seed of seeds) {
        const directory = path.join(out, folder, modelFolders[m] as string, `seed-${seed}`);
        onRun?.({ task: name, model: modelName, seed, directory });
        const settings = {
          ...shared,
          ...data,
          ...options,
          seed,
          out: directory,
          ...(draft && { proposal: draft }),
          ...(maxFailures !== undefined && { maxFailures: maxFailures - allFailed }),
        };
        const evaluation = await evaluate(model, task, settings, items);
        directories.push(directory);
        failed += evaluation.failed;
        allFailed += evaluation.failed;
        endedEarly = evaluation.endedEarly;
        if (endedEarly) break;
      }
      const measured = [];
      for (const directory of directories) {
        const { run, samples } = await readRun(directory);
        measured.push(...measuredSamples(run, samples));
      }
      const settings = scoreSettings(methods, measured);
      const best = bestSettings(settings, measured);
      results.push({
        task: name,
        model: modelName,
        directories,
        settings,
        best,
        failed,
        endedEarly,
      });
      if (endedEarly) return results;
    }
  }
  return results;
}

interface SweepTask {
  name: string;
  task: Task;
  items: readonly TaskItem[];
  folder: string;
  data: { data?: string };
}

/**
 * Loads the tasks of a sweep with their items. With a total budget it checks that answers can be voted on.
 */
async function openTasks(
  { tasks, budgetTokensTotal, samples }: Omit<SweepConfig, "methods" | "options" | "seeds">,
  signal: AbortSignal | undefined,
): Promise<SweepTask[]> {
  const folders = foldersOf(tasks.map(({ task }) => task));
  const opened: SweepTask[] = [];
  for (const [i, entry] of tasks.entries()) {
    const { task: name, ...data }: { task: string; data?: string } = entry;
    const task = await findTask(name);
    if (budgetTokensTotal !== undefined) checkVoting(task, samples);
    const items = await loadItems(task, data.data, given({ signal }));
    opened.push({ name, task, items, data, folder: folders[i] as string });
  }
  return opened;
}

/** Returns a folder for each name. It adds a number if an earlier name has the same folder. */
function foldersOf(names: readonly string[]): string[] {
  const folders = names.map(nameOf);
  return folders.map((folder, i) => {
    const before = folders.slice(0, i).filter((other) => other === folder).length;
    return before === 0 ? folder : `${folder}-${before + 1}`;
  });
}

/** Converts a file name, without its folder and extension, to a valid directory name. */
function nameOf(name: string): string {
  return path
    .basename(name)
    .replace(/\.(gguf|[cm]?js)$/, "")
    .replace(/[^\w.-]+/g, "_");
}
