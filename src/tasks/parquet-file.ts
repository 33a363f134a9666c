/** Reads the rows of a Parquet file. */
import type { Readable } from "node:stream";
import zlib from "node:zlib";
import { LlamaEtsError, messageOf } from "../engine/errors.js";

/** The maximum size of a file, which is held in memory together with its rows. */
const MAX_BYTES = 2 ** 30;

/**
 * Returns all rows, with integers as numbers, dates as ISO texts, and without binary values. Throws
 * `ERR_INVALID_DATA`.
 */
export async function readParquet(
  name: string,
  content: Readable,
): Promise<Record<string, unknown>[]> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const chunk of content as AsyncIterable<Buffer>) {
    pieces.push(chunk);
    size += chunk.length;
    if (size > MAX_BYTES) throw new Error(`it has more than ${MAX_BYTES} bytes`);
  }
  const { parquetReadObjects } = await import("hyparquet");
  try {
    const file = new Uint8Array(Buffer.concat(pieces)).buffer;
    const rows = await parquetReadObjects({ file, compressors: COMPRESSORS });
    return rows.map((row) => plain(row) as Record<string, unknown>);
  } catch (error) {
    throw new LlamaEtsError("ERR_INVALID_DATA", `${name}: expected Parquet: ${messageOf(error)}`, {
      cause: error,
      fix: "the file anew, where it is cut off; or its rows as .jsonl",
    });
  }
}

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
