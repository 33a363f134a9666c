/** The samples that a run consists of. */

import type { MethodName } from "../methods/registry.js";
import type { TaskItem } from "../tasks/task.js";
import type { ConfiguredMethod, EvaluatedMethodOptions } from "./configured-methods.js";
import type { RunRecord } from "./store/run-files.js";
import { type KeyedRun, sampleKey, sampleSeed } from "./store/sample-key.js";

/** One sample to draw. */
export interface DrawJob {
  key: string;
  item: TaskItem;
  /** The method's name within the run. `method` is the method that runs. */
  name: string;
  method: MethodName;
  options: EvaluatedMethodOptions;
  sample: number;
  seed: number;
}

/**
 * Lists items × methods × samples. All methods draw an item before the next item, and all items get a first
 * sample before any gets a second. So the methods of an interrupted run can still be compared.
 */
export function listJobs(
  run: KeyedRun & Pick<RunRecord, "samples" | "seed">,
  items: readonly TaskItem[],
  methods: readonly ConfiguredMethod[],
): DrawJob[] {
  return Array.from({ length: run.samples }, (_, sample) =>
    items.flatMap((item) => {
      const seed = sampleSeed(run.seed, item.id, sample);
      return methods.map((configured): DrawJob => {
        const { name, method, options } = configured;
        const key = sampleKey(run, configured, { item: item.id, sample, seed });
        return { key, item, name, method, options, sample, seed };
      });
    }),
  ).flat();
}
