/** Stores the hub's checksums of downloaded files, so that the files can be checked again later. */
import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import { cacheDirectory } from "../cache-directory.js";
import { makeDirectory } from "../make-directory.js";
import { writeWhole } from "../whole-file.js";

/** The stored record of a downloaded file. */
export interface KnownFile {
  sha256: string;
  /** The source that it was downloaded from. */
  source: string;
}

/** The record of a model's file. Each has its own, so that processes don't overwrite each other's. */
function recordOf(file: string): string {
  const name = createHash("sha256").update(path.resolve(file)).digest("hex").slice(0, 32);
  return path.join(cacheDirectory(), "downloads", `${name}.json`);
}

/** Stores a checksum. If that fails, the file just can't be checked later. */
export async function rememberChecksum(file: string, known: KnownFile): Promise<void> {
  try {
    const record = recordOf(file);
    await makeDirectory(path.dirname(record));
    await writeWhole(record, JSON.stringify({ file: path.resolve(file), ...known }));
  } catch {}
}

export async function forgetChecksum(file: string): Promise<void> {
  try {
    await rm(recordOf(file), { force: true });
  } catch {}
}

/** The stored checksum of a file; undefined if there is none. */
export async function knownChecksum(file: string): Promise<KnownFile | undefined> {
  try {
    const known: KnownFile = JSON.parse(await readFile(recordOf(file), "utf8"));
    return typeof known?.sha256 === "string" ? known : undefined;
  } catch {
    return undefined;
  }
}
