/** Stores the speeds of models that `doctor` measured on this machine, in small files in the user's cache. */
import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { cacheDirectory } from "../cache-directory.js";
import { makeDirectory } from "../make-directory.js";
import type { Speed } from "../unloaded-model.js";
import { writeWhole } from "../whole-file.js";

/** A measured speed. */
export interface Measured {
  /** The absolute path of the model's file. */
  file: string;
  /** The computing devices, as `deviceFor` names them. */
  device: string;
  /** Bytes of the weights. */
  sizeBytes: number;
  /** Tokens per second of one text that is drawn alone. */
  tokensPerSecond: number;
}

interface Entry extends Measured {
  mtimeMs: number;
}

interface Asked {
  /** The absolute path; null if the file isn't on this machine. */
  file: string | null;
  mtimeMs?: number;
  sizeBytes: number;
  /** Whether it is a mixture of experts. Its speed doesn't follow from its size: tokens skip most weights. */
  isSparse?: boolean;
}

/** Smaller weights fit into the processor's cache, so their speed says nothing about larger models. */
const LEAST_BYTES = 64e6;

/** Stores a speed. Rejects with Node's errors if the cache can't be written. */
export async function keepSpeed(measured: Measured): Promise<void> {
  const { mtimeMs } = await stat(measured.file);
  const entry: Entry = { ...measured, mtimeMs };
  const name = createHash("sha256").update(JSON.stringify([measured.file, measured.device]));
  await makeDirectory(directory());
  await writeWhole(path.join(directory(), `${name.digest("hex")}.json`), JSON.stringify(entry));
}

/** The stored speeds of a device. It skips entries that can't be read. */
export async function keptSpeeds(device: string): Promise<Entry[]> {
  try {
    const names = await readdir(directory());
    const entries = await Promise.all(names.map((name) => readEntry(path.join(directory(), name))));
    return entries.filter((entry) => entry !== undefined && entry.device === device) as Entry[];
  } catch {
    return [];
  }
}

/**
 * The measured speed of a file. If there is none, it is estimated from the measured file of the nearest
 * size: each token reads all weights, so the speed is inversely proportional to the size.
 */
export function speedOf(
  { file, mtimeMs, sizeBytes, isSparse = false }: Asked,
  speeds: readonly Entry[],
): Speed | undefined {
  const own = speeds.find((entry) => entry.file === file && entry.mtimeMs === mtimeMs);
  if (own !== undefined) return { tokensPerSecond: own.tokensPerSecond, isMeasured: true };
  const distance = (entry: Entry) => Math.abs(Math.log(entry.sizeBytes / sizeBytes));
  const [nearest] = speeds
    .filter((entry) => entry.sizeBytes >= LEAST_BYTES)
    .sort((a, b) => distance(a) - distance(b));
  if (nearest === undefined || isSparse || sizeBytes < LEAST_BYTES) return undefined;
  const tokensPerSecond = (nearest.tokensPerSecond * nearest.sizeBytes) / sizeBytes;
  return { tokensPerSecond, isMeasured: false };
}

function directory(): string {
  return path.join(cacheDirectory(), "speeds");
}

async function readEntry(file: string): Promise<Entry | undefined> {
  try {
    const entry = JSON.parse(await readFile(file, "utf8")) as Entry;
    const isWhole = [entry.sizeBytes, entry.tokensPerSecond, entry.mtimeMs].every(Number.isFinite);
    return isWhole && entry.tokensPerSecond > 0 ? entry : undefined;
  } catch {
    return undefined;
  }
}
