/**
 * Compares the methods of one or more run directories, item by item. An item's accuracy is the share of its
 * samples that are right. A method's accuracy is the mean over the items, all with equal weight.
 */
import path from "node:path";
import { checkKeys, checkOneOf, checkString, checkStrings, optional } from "../../engine/check.js";
import { LlamaEtsError } from "../../engine/errors.js";
import { measuredSamples } from "../store/item-votes.js";
import { type EvaluationRun, readRun } from "../store/read-run.js";
import { gradedOf } from "../store/run-files.js";
import type { ComparedItem, ComparedRun, ComparedRuns } from "./comparison.js";
import { curvesOf } from "./curves.js";
import { chooseItems, differencesOf } from "./differences.js";
import { type Entry, entriesOf } from "./entries.js";
import { measure } from "./measure.js";

/** Which pairs of methods are tested. */
export interface CompareOptions {
  /**
   * The name of a method in the comparison. The other methods are tested only against this one. Default: all
   * pairs are tested.
   */
  baseline?: string;
}

/**
 * @example
 * const { comparison } = await compareRuns(["runs/a", "runs/b"]);
 * for (const { name, accuracy, ci95 } of comparison.methods) console.log(name, accuracy, ci95);
 *
 * @param directories that `llama-ets eval --out` wrote
 * @throws LlamaEtsError `ERR_INVALID_DATA`, with file, line and field; `ERR_INVALID_OPTION`
 */
export async function compareRuns(
  directories: readonly string[],
  options: CompareOptions = {},
): Promise<ComparedRuns> {
  checkStrings("directories", directories);
  checkKeys("options", options, ["baseline"]);
  const baseline = optional(checkString, "baseline", options.baseline);
  if (directories.length === 0) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "Expected run directories, got none");
  }
  const resolved = directories.map((directory) => path.resolve(directory));
  const twice = directories.find((_, i) => resolved.indexOf(resolved[i] as string) !== i);
  if (twice !== undefined) {
    throw new LlamaEtsError(
      "ERR_INVALID_OPTION",
      `Expected different directories, got ${twice} twice`,
    );
  }
  const runs: EvaluationRun[] = [];
  for (const directory of directories) runs.push(await readRun(directory));
  const entries = entriesOf(runs);
  if (entries.length === 0) {
    throw new LlamaEtsError("ERR_INVALID_DATA", `No samples in ${directories.join(", ")}`, {
      fix: "`llama-ets eval` with --resume, to draw them",
    });
  }
  const names = entries.map(({ name }) => name);
  if (baseline !== undefined) checkOneOf("baseline", baseline, names);
  const { common, warnings } = chooseItems(runs, entries);
  return {
    comparison: {
      runs: runs.map(headOf),
      items: common.length,
      ...measure(entries, common, baseline),
      // With a total budget the number of an item's texts depends on how they voted.
      curves: curvesOf(entries.filter(({ run }) => run.run.budget === undefined)),
      warnings: [...differencesOf(runs), ...warnings],
    },
    items: itemsOf(entries, common),
    runs,
  };
}

function headOf({ directory, run }: EvaluationRun): ComparedRun {
  const { task, model, data, seed, mode, form } = run;
  const name = path.basename(model.path, ".gguf");
  return {
    directory,
    task,
    model: name,
    modelPath: model.path,
    modelDescription: model.description,
    data: data.path,
    seed,
    mode,
    form,
  };
}

/** Returns the items that all methods have, or all items if the methods have none in common. */
function itemsOf(entries: readonly Entry[], common: readonly string[]): ComparedItem[] {
  const all = new Set(entries.flatMap(({ samples }) => [...samples.keys()]));
  const haveVotes = entries.some(({ run }) => run.run.budget !== undefined);
  return [...(common.length > 0 ? common : all)].map((id) => {
    const drawn = entries.map((entry) => entry.samples.get(id) ?? []);
    const samples = drawn.map((own, m) => measuredSamples((entries[m] as Entry).run.run, own));
    const [graded] = gradedOf(samples.flat());
    return { id, gold: graded?.gold ?? null, samples, ...(haveVotes && { drawn }) };
  });
}
