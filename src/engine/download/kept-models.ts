/** Lists, checks and removes downloaded models. */
import { readdir, rm, stat } from "node:fs/promises";
import path from "node:path";
import { LlamaEtsError, messageOf } from "../errors.js";
import { sha256Of } from "../file-hash.js";
import { endsInHeader, otherThanGguf, readHead } from "../file-kind.js";
import { lockFile } from "../local/file-lock.js";
import { isLaterPart, partFiles } from "./address.js";
import { forgetChecksum, knownChecksum } from "./checksums.js";
import { modelsDirectory } from "./download-model.js";

/** A downloaded model. */
export interface KeptModel {
  /** The file's name; for a split model, the name of its first part. */
  name: string;
  path: string;
  /** Total bytes of all parts. */
  sizeBytes: number;
  /** Number of its files. */
  parts: number;
  /** What is wrong with it; absent if nothing was found. */
  broken?: string;
}

/** Lists the downloaded models in the order of their names; empty without downloads. */
export async function keptModels(): Promise<KeptModel[]> {
  const { directory, names } = await kept();
  const files = names.filter((name) => name.endsWith(".gguf"));
  const firsts = files.filter((name) => !isLaterPart(name) || isOrphan(name, files));
  return Promise.all(firsts.map((name) => describe(name, path.join(directory, name))));
}

/** The names of the directory's files; empty if there is no such directory, or no home directory. */
async function kept(): Promise<{ directory: string; names: string[] }> {
  try {
    const directory = modelsDirectory();
    return { directory, names: (await readdir(directory)).sort() };
  } catch {
    return { directory: "", names: [] };
  }
}

/** Whether a later part has no first part in the directory. */
function isOrphan(name: string, files: readonly string[]): boolean {
  return !files.some((first) => !isLaterPart(first) && partFiles(first).includes(name));
}

async function describe(name: string, file: string): Promise<KeptModel> {
  const parts = partFiles(file);
  let sizeBytes = 0;
  let broken: string | undefined;
  for (const [i, part] of parts.entries()) {
    const what = parts.length > 1 ? `part ${i + 1} of ${parts.length}: ` : "";
    try {
      const { size } = await stat(part);
      sizeBytes += size;
      const other = otherThanGguf(await readHead(part));
      if (other !== undefined) broken ??= `${what}${other.what}, not GGUF`;
      else if (endsInHeader(size)) broken ??= `${what}it is cut off`;
    } catch (error) {
      broken ??= `${what}it could not be read: ${messageOf(error)}`;
    }
  }
  if (isLaterPart(name)) broken ??= "its first part is missing";
  const model = { name, path: file, sizeBytes, parts: parts.length };
  return broken === undefined ? model : { ...model, broken };
}

/** Finds a downloaded model by its name, with or without `.gguf`. Throws `ERR_MODEL_NOT_FOUND`. */
export async function findKept(name: string): Promise<KeptModel> {
  const models = await keptModels();
  const found = models.find((model) => model.name === name || model.name === `${name}.gguf`);
  if (found !== undefined) return found;
  throw new LlamaEtsError("ERR_MODEL_NOT_FOUND", `No downloaded model is called ${name}`, {
    fix: "a name that `llama-ets models` lists under Downloaded; other files are yours to remove",
  });
}

/**
 * Removes a downloaded model: all of its parts, and the partial files of earlier attempts. Throws
 * `ERR_WRITE` if another process is downloading it, or if a file can't be removed.
 */
export async function removeKept({ path: first }: Pick<KeptModel, "path">): Promise<void> {
  for (const file of partFiles(first)) {
    const refuse = (why: string, cause?: unknown) =>
      new LlamaEtsError("ERR_WRITE", `${file} was not removed: ${why}`, { cause });
    const lockName = `${file}.lock`;
    let lock: AsyncDisposable | null;
    try {
      lock = await lockFile(lockName);
    } catch (error) {
      throw refuse(messageOf(error), error);
    }
    if (lock === null) throw refuse("another process downloads it");
    try {
      for (const end of ["", ".part", ".part.json"]) await rm(`${file}${end}`, { force: true });
      await forgetChecksum(file);
    } catch (error) {
      throw refuse(messageOf(error), error);
    } finally {
      await rm(lockName, { force: true });
      await lock[Symbol.asyncDispose]();
    }
  }
}

/** The result of checking a downloaded model. */
export interface CheckedModel extends KeptModel {
  /** Whether all of its files have the hub's SHA-256; null if a checksum is unknown. */
  checksum: boolean | null;
}

/**
 * Checks a downloaded model: `readModel` reads its header and parts, and its checksums are computed.
 * Rejects with the signal's reason.
 */
export async function checkKept(
  model: KeptModel,
  readModel: (file: string) => Promise<void>,
  signal?: AbortSignal,
): Promise<CheckedModel> {
  if (model.broken !== undefined) return { ...model, checksum: null };
  try {
    await readModel(model.path);
  } catch (error) {
    return { ...model, checksum: null, broken: messageOf(error) };
  }
  let checksum: boolean | null = true;
  for (const file of partFiles(model.path)) {
    const known = await knownChecksum(file);
    signal?.throwIfAborted();
    if (known === undefined) {
      checksum = null;
      continue;
    }
    const actual = await sha256Of(file, signal);
    if (actual === known.sha256) continue;
    const broken = `${path.basename(file)}: expected SHA-256 ${known.sha256}, got ${actual}`;
    return { ...model, checksum: false, broken };
  }
  return { ...model, checksum };
}
