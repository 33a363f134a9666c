/** Keys and seeds of samples. They depend only on what determines a sample, not on who draws it or when. */
import { createHash } from "node:crypto";
import type { TaskItem } from "../../tasks/task.js";
import type { RunRecord } from "./run-files.js";

/** Returns the SHA-256 of a text in hexadecimal. */
export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** Returns JSON with sorted object keys, so that equal values have equal texts. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, part) => {
    const isObject = typeof part === "object" && part !== null && !Array.isArray(part);
    return isObject ? Object.fromEntries(Object.entries(part).sort()) : part;
  });
}

/** Returns the hash of a task's parsed items. Another file format with the same rows gives the same hash. */
export function hashItems(items: readonly TaskItem[]): string {
  return sha256(canonicalJson(items));
}

/**
 * Returns the seed of an item's sample, from 0 to 2^53 - 1. All methods share it. It depends on nothing else,
 * so that a sample doesn't depend on what was drawn before it.
 */
export function sampleSeed(runSeed: number, item: string, sample: number): number {
  const digest = createHash("sha256")
    .update(canonicalJson([runSeed, item, sample]))
    .digest();
  return Number(digest.readBigUInt64BE() >> 11n);
}

/** What determines a sample besides its item and number. */
export type KeyedRun = Pick<
  RunRecord,
  "task" | "taskFile" | "grader" | "form" | "mode" | "data" | "model" | "proposal"
>;

/** Returns the key of a sample. Other settings, another model or other data give another key. */
export function sampleKey(
  run: KeyedRun,
  method: { method: string; settings: object; needsProposal: boolean },
  { item, sample, seed }: { item: string; sample: number; seed: number },
): string {
  const { task, taskFile, grader, form, mode, data, model, proposal } = run;
  return sha256(
    canonicalJson({
      task,
      form,
      mode,
      data: data.sha256,
      model: model.sha256,
      ...(taskFile && { taskFile: taskFile.sha256 }),
      ...(grader && { grader: grader.sha256 }),
      proposal: method.needsProposal ? (proposal?.sha256 ?? null) : null,
      method: method.method,
      settings: method.settings,
      item,
      sample,
      seed,
    }),
  );
}
