/**
 * The thread in which `parquet-file.ts` reads: a damaged file can keep its reader busy without an end, or
 * make it take memory.
 */
import { parentPort, workerData } from "node:worker_threads";
import zlib from "node:zlib";
import { parquetReadObjects } from "hyparquet";
import { messageOf } from "../engine/errors.js";

/** The thread's answer. Its rows hold JSON values only. */
export type ParquetAnswer = { rows: Record<string, unknown>[] } | { error: string };

type Unpack = (packed: Uint8Array) => Uint8Array;

/** The codecs that Node decompresses, in addition to those of hyparquet. Node has Zstandard since 22.15. */
const { zstdDecompressSync } = zlib as { zstdDecompressSync?: Unpack };
const COMPRESSORS = {
  GZIP: (packed: Uint8Array) => zlib.gunzipSync(packed),
  BROTLI: (packed: Uint8Array) => zlib.brotliDecompressSync(packed),
  ...(zstdDecompressSync && { ZSTD: zstdDecompressSync }),
};

/** Converts a value to its JSON form. An integer that a number can't represent becomes a text. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") {
    const number = Number(value);
    return Number.isSafeInteger(number) ? number : String(value);
  }
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array || value === undefined) return null;
  if (ArrayBuffer.isView(value)) return Array.from(value as Float64Array, plain);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

async function read(file: ArrayBuffer): Promise<ParquetAnswer> {
  try {
    const rows = await parquetReadObjects({ file, compressors: COMPRESSORS });
    return { rows: rows.map((row) => plain(row) as Record<string, unknown>) };
  } catch (error) {
    return { error: messageOf(error) };
  }
}

parentPort?.postMessage(await read(workerData as ArrayBuffer));
