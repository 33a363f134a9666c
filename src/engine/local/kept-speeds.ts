/** How fast files were when `doctor` measured them on this machine: small files in the user's cache. */
import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import path from "node:path";
import { cacheDirectory } from "../cache-directory.js";
import { makeDirectory } from "../make-directory.js";
import type { Speed } from "../unloaded-model.js";
import { writeWhole } from "../whole-file.js";

/** What was measured, and where. */
export interface Measured {
  /** The model's file, by its whole path. */
  file: string;
  /** What computed, as `deviceFor` names it. */
  device: string;
  /** Bytes of the weights. */
  sizeBytes: number;
  /** Tokens of one text that is drawn alone. */
  tokensPerSecond: number;
}

interface Entry extends Measured {
  mtimeMs: number;
}

interface Asked {
  /** Null: it isn't here. */
  file: string | null;
  mtimeMs?: number;
  sizeBytes: number;
  /** Whether a token reads a few of its experts alone, so that its size says nothing. */
  isSparse?: boolean;
}

/** Weights below this lie in a processor's cache: nothing follows from them for larger ones. */
const LEAST_BYTES = 64e6;

/** Rejects as Node does where the cache can't be written. */
export async function keepSpeed(measured: Measured): Promise<void> {
  const { mtimeMs } = await stat(measured.file);
  const entry: Entry = { ...measured, mtimeMs };
  const name = createHash("sha256").update(JSON.stringify([measured.file, measured.device]));
  await makeDirectory(directory());
  await writeWhole(path.join(directory(), `${name.digest("hex")}.json`), JSON.stringify(entry));
}

/** What is kept of a device. What can't be read is left out. */
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
 * The speed of a file as it was measured; else guessed from the measured one whose size is nearest: each
 * token reads all weights.
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
