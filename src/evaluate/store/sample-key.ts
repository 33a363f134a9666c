/** The names and seeds of samples depend on what decides a sample, not on who draws it or when. */
import { createHash } from "node:crypto";
import type { TaskItem } from "../../tasks/task.js";
import type { RunRecord } from "./run-files.js";

/** SHA-256 in hexadecimal. */
export function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** JSON with the keys of objects in order, so that equal values have equal texts. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_, part) => {
    const isObject = typeof part === "object" && part !== null && !Array.isArray(part);
    return isObject ? Object.fromEntries(Object.entries(part).sort()) : part;
  });
}

/** The hash of a task's items, as they were read: another packing of the same rows is the same data. */
export function hashItems(items: readonly TaskItem[]): string {
  return sha256(canonicalJson(items));
}

/**
 * The seed of an item's sample, from 0 to 2^53 - 1. All methods share it, and it depends on nothing
 * else, so that a sample is the same whatever was drawn before it.
 */
export function sampleSeed(runSeed: number, item: string, sample: number): number {
  const digest = createHash("sha256")
    .update(canonicalJson([runSeed, item, sample]))
    .digest();
  return Number(digest.readBigUInt64BE() >> 11n);
}

/** What decides a sample besides its item and number. */
export type KeyedRun = Pick<
  RunRecord,
  "task" | "taskFile" | "grader" | "form" | "mode" | "data" | "model" | "proposal"
>;

/** A sample's key: other settings, another model or other data give another key. */
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
