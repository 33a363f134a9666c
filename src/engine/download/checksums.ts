/** The checksums that the hub gave of downloaded files, kept so that they can be checked again. */
import { createHash } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import path from "node:path";
import { cacheDirectory } from "../cache-directory.js";
import { makeDirectory } from "../make-directory.js";
import { writeWhole } from "../whole-file.js";

export interface KnownFile {
  sha256: string;
  /** What it was downloaded from. */
  source: string;
}

/** A file of its own for each, so that processes don't write over one another's. */
function recordOf(file: string): string {
  const name = createHash("sha256").update(path.resolve(file)).digest("hex").slice(0, 32);
  return path.join(cacheDirectory(), "downloads", `${name}.json`);
}

/** What can't be kept is not checked later. */
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

/** Undefined where the hub gave none. */
export async function knownChecksum(file: string): Promise<KnownFile | undefined> {
  try {
    const known: KnownFile = JSON.parse(await readFile(recordOf(file), "utf8"));
    return typeof known?.sha256 === "string" ? known : undefined;
  } catch {
    return undefined;
  }
}
