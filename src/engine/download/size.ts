/** Checks whether a download fits this machine, before it is written. */
import { statfs } from "node:fs/promises";
import path from "node:path";
import { LlamaEtsError } from "../errors.js";
import { freeMachineBytes } from "../local/free-memory.js";

/** Throws `ERR_WRITE` if the disk has no room for this many more bytes. */
export async function refuseWithoutSpace(file: string, bytes: number): Promise<void> {
  // If the file system doesn't report its free space, just try.
  const disk = await statfs(path.dirname(file)).catch(() => undefined);
  if (disk === undefined || disk.blocks === 0) return;
  const free = disk.bavail * disk.bsize;
  if (bytes <= free) return;
  throw new LlamaEtsError(
    "ERR_WRITE",
    `${file} was not written: it needs ${gibibytes(bytes)}, the disk has ${gibibytes(free)} free`,
    { fix: "`llama-ets models rm NAME`, or a smaller quantization" },
  );
}

/** Says for people how large a download is, and whether the model fits into the free memory. */
export function sizeNote(bytes: number, isEstimate: boolean): string {
  const free = freeMachineBytes();
  const size = `${isEstimate ? "about " : ""}${gibibytes(bytes)} to download`;
  return bytes <= free
    ? `${size}; ${gibibytes(free)} of memory are free`
    : `${size}, more than the ${gibibytes(free)} of memory that are free: it would be slow, or not run at all; a smaller quantization fits`;
}

function gibibytes(bytes: number): string {
  return bytes < 2 ** 30 / 10
    ? `${(bytes / 2 ** 20).toFixed(1)} MiB`
    : `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
