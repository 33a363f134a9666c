/**
 * Stores for which model files, engines and devices forks were proven, in small files in the user's
 * cache. Each proof has two entries: one by the hash of the model's content, and one by its path. The
 * entry by path is valid while the file's size and time don't change, and needs no hashing.
 */
import { createHash } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import path from "node:path";
import { VERSION } from "../../version.js";
import { cacheDirectory } from "../cache-directory.js";
import { hashFile } from "../file-hash.js";
import { makeDirectory } from "../make-directory.js";
import { writeWhole } from "../whole-file.js";

/** A model file, and the engine and device on which its forks were proven. */
export interface Proven {
  /** The model's file. */
  file: string;
  /** llama.cpp's release. */
  release: string;
  device: string;
}

interface Entry extends Omit<Proven, "file"> {
  llamaEts: string;
  sha256: string;
  size: number;
  mtimeMs: number;
}

/**
 * Whether there is a proof. Without `mayHash`, it only looks for the entry by path. It ignores entries
 * that can't be read, or that belong to another engine, device or version of this package.
 */
export async function isProven(
  proven: Proven,
  { mayHash, signal }: { mayHash: boolean; signal?: AbortSignal | undefined },
): Promise<boolean> {
  const { size, mtimeMs } = await stat(proven.file);
  const known = await readEntry(proven, path.resolve(proven.file));
  if (known?.size === size && known.mtimeMs === mtimeMs) return true;
  if (!mayHash) return false;
  const sha256 = await hashFile(proven.file, signal);
  return (await readEntry(proven, sha256))?.sha256 === sha256;
}

/** Stores a proof. Rejects with Node's errors if the cache can't be written. */
export async function keepProof(proven: Proven, signal?: AbortSignal): Promise<void> {
  const { file, release, device } = proven;
  const { size, mtimeMs } = await stat(file);
  const sha256 = await hashFile(file, signal);
  const entry: Entry = { llamaEts: VERSION, release, device, sha256, size, mtimeMs };
  await makeDirectory(directory());
  for (const name of [sha256, path.resolve(file)]) {
    await writeWhole(entryFile(proven, name), JSON.stringify(entry));
  }
}

function directory(): string {
  return path.join(cacheDirectory(), "forks");
}

function entryFile({ release, device }: Proven, name: string): string {
  const key = JSON.stringify([VERSION, release, device, name]);
  return path.join(directory(), `${createHash("sha256").update(key).digest("hex")}.json`);
}

async function readEntry(proven: Proven, name: string): Promise<Partial<Entry> | undefined> {
  try {
    const entry = JSON.parse(await readFile(entryFile(proven, name), "utf8")) as Entry;
    const { llamaEts, release, device } = entry;
    const isIts = release === proven.release && device === proven.device;
    return isIts && llamaEts === VERSION ? entry : undefined;
  } catch {
    return undefined;
  }
}
