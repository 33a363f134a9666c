/** What `run.json` says of models, rewards, versions and the machine. */
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
import { parseReward } from "../../rewards/named.js";
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
 * The SHA-256 of a model's file. Of a model in several files, with adapters, or whose keys and values
 * are of another type than usual, that of what decides its texts; of a server's, what names it.
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

/** A reward's part of the settings: what names it, and the hashes of the files it is read from. */
export interface DescribedReward {
  reward: string;
  rewardFiles?: string[];
}

/** As it is named now, with the files as they are now. */
export async function describeReward(
  expression: string,
  signal?: AbortSignal,
): Promise<DescribedReward> {
  const files = parseReward(expression).filter(({ takes }) => takes === "FILE" || takes === "GGUF");
  const rewardFiles = await Promise.all(
    files.map(async ({ takes, argument }) => {
      if (takes === "FILE") return hashRewardFile(argument, signal);
      // A model is perhaps a bundled one's name, or a URI.
      const file = await resolveModelPath(resolveBundledName(argument), () => {}, signal);
      return hashFile(file, signal);
    }),
  );
  return { reward: expression, ...(rewardFiles.length > 0 && { rewardFiles }) };
}

/** Throws `ERR_REWARD` for what can't be read as a file. */
async function hashRewardFile(file: string, signal: AbortSignal | undefined): Promise<string> {
  try {
    const found = await refuseOtherThanFile(file);
    if (found.isDirectory()) throw new Error("it is a directory");
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

/** What grades in the place of the task's own grader; nothing without one. */
export async function describeGrader(
  grader: string | undefined,
  signal?: AbortSignal,
): Promise<Pick<RunRecord, "grader">> {
  if (grader === undefined) return {};
  const { rewardFiles = [] } = await describeReward(grader, signal);
  return { grader: { path: grader, sha256: rewardFiles[0] as string } };
}

/** The module of a task of one's own; nothing of those that come with the package. */
export async function describeTaskFile(task: Task): Promise<Pick<RunRecord, "taskFile">> {
  const file = fileOfTask(task);
  if (file === undefined) return {};
  return { taskFile: { path: path.resolve(file), sha256: await hashFile(file) } };
}

/** The versions, and the machine that draws. */
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
