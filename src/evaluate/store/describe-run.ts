/** Describes models, rewards, versions and the machine for `run.json`. */
import { cpus, totalmem } from "node:os";
import path from "node:path";
import { resolveBundledName } from "../../engine/bundled-models.js";
import { partFiles } from "../../engine/download/address.js";
import type { Model } from "../../engine/engine.js";
import { LlamaEtsError, whyUnreadable } from "../../engine/errors.js";
import { hashFile } from "../../engine/file-hash.js";
import { DEFAULT_KV_TYPE } from "../../engine/kv-types.js";
import { resolveModelPath } from "../../engine/model-path.js";
import { refuseOtherThanFile } from "../../engine/read-file.js";
import { termsWithFiles } from "../../rewards/named.js";
import { fileOfTask } from "../../tasks/module.js";
import type { Task } from "../../tasks/task.js";
import { VERSION } from "../../version.js";
import type { ModelRecord, RunRecord } from "./run-files.js";
import { canonicalJson, sha256 } from "./sample-key.js";

export async function describeModel(model: Model, signal?: AbortSignal): Promise<ModelRecord> {
  const { path, info } = model;
  const hash = await hashModel(model, signal);
  return { path, sha256: hash, description: info.description, parameters: info.parameters };
}

/**
 * Returns the SHA-256 of a model's file. For a model with several files, adapters or another KV type it
 * hashes everything that determines the texts. For a model on a server it returns the server's fingerprint.
 */
async function hashModel(model: Model, signal: AbortSignal | undefined): Promise<string> {
  const { adapters = [], kvType = DEFAULT_KV_TYPE, fingerprint } = model.describe();
  if (fingerprint !== undefined) return fingerprint;
  const files: string[] = [];
  for (const file of partFiles(model.path)) files.push(await hashFile(file, signal));
  const [only] = files;
  const isPlain = files.length === 1 && adapters.length === 0 && kvType === DEFAULT_KV_TYPE;
  if (only !== undefined && isPlain) return only;
  const loras: [string, number][] = [];
  for (const { path, scale } of adapters) loras.push([await hashFile(path, signal), scale]);
  return sha256(canonicalJson({ files, loras, kvType }));
}

/** A reward in the settings: its name, and the hashes of its files. */
export interface DescribedReward {
  reward: string;
  rewardFiles?: string[];
}

/** Describes a reward by its name and the current hashes of its files. */
export async function describeReward(
  expression: string,
  signal?: AbortSignal,
): Promise<DescribedReward> {
  const files = termsWithFiles(expression);
  const rewardFiles = await Promise.all(
    files.map(async ({ takes, argument }) => {
      if (takes === "FILE") return hashRewardFile(argument, signal);
      // A model may also be the name of a bundled one, or a URI.
      const file = await resolveModelPath(resolveBundledName(argument), () => {}, signal);
      return hashFile(file, signal);
    }),
  );
  return { reward: expression, ...(rewardFiles.length > 0 && { rewardFiles }) };
}

/** Returns the hash of a reward's file. Throws `ERR_REWARD` if it can't be read. */
async function hashRewardFile(file: string, signal: AbortSignal | undefined): Promise<string> {
  try {
    await refuseOtherThanFile(file);
    return await hashFile(file, signal);
  } catch (error) {
    signal?.throwIfAborted();
    const why = whyUnreadable(error);
    throw new LlamaEtsError("ERR_REWARD", `The reward's file ${file} could not be read: ${why}`, {
      fix: "the path of a module, or of a schema",
      cause: error,
    });
  }
}

/** Describes the grader that replaces the task's own; empty without one. */
export async function describeGrader(
  grader: string | undefined,
  signal?: AbortSignal,
): Promise<Pick<RunRecord, "grader">> {
  if (grader === undefined) return {};
  const { rewardFiles = [] } = await describeReward(grader, signal);
  return { grader: { path: grader, sha256: rewardFiles[0] as string } };
}

/** Describes the module of a custom task; empty for built-in tasks. */
export async function describeTaskFile(task: Task): Promise<Pick<RunRecord, "taskFile">> {
  const file = fileOfTask(task);
  if (file === undefined) return {};
  return { taskFile: { path: path.resolve(file), sha256: await hashFile(file) } };
}

/** Describes the versions and the machine that draws. */
export function describeMachine(model: Model): Pick<RunRecord, "versions" | "machine"> {
  const { engine, devices, place } = model.describe();
  const ofType = (wanted: string) => devices.find(({ type }) => type === wanted);
  const gpu = place === "gpu" ? (ofType("gpu") ?? ofType("integrated-gpu")) : undefined;
  const processors = cpus();
  return {
    versions: {
      llamaEts: VERSION,
      llamaCpp: engine.release,
      node: process.versions.node,
    },
    machine: {
      cpu: processors[0]?.model ?? "unknown",
      cores: Math.max(1, processors.length),
      memory: totalmem(),
      gpu: gpu?.description ?? false,
    },
  };
}
