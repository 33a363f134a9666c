/** The samples that a run consists of. */
import type { TaskItem } from "../tasks/task.js";
import type { ConfiguredMethod } from "./configured-methods.js";
import type { DrawJob } from "./draw-sample.js";
import type { RunRecord } from "./run-files.js";
import { sampleKey, sampleSeed } from "./sample-key.js";

/**
 * Items × methods × samples. All methods come to an item before the next one, and all items to a
 * first sample before a second: what an interrupted run has can be compared.
 */
export function listJobs(
  run: Omit<RunRecord, "methods">,
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
