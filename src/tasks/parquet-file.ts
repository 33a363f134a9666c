/** Reads the rows of a Parquet file. */
import { once } from "node:events";
import type { Readable } from "node:stream";
import { Worker } from "node:worker_threads";
import { LlamaEtsError, messageOf } from "../engine/errors.js";
import type { ParquetAnswer } from "./parquet-thread.js";

const SCRIPT = new URL("../../dist/tasks/parquet-thread.js", import.meta.url);

/** The maximum size of a file, which is held in memory together with its rows. */
const MAX_BYTES = 2 ** 30;
const MEMORY_MIB = 4096;
/** How long the reading may take: far longer than whole files need. */
const LIMIT_MS = 30_000;
const LIMIT_MS_PER_MIB = 1_000;

/**
 * Returns all rows, with integers as numbers, dates as ISO texts, and without binary values.
 *
 * @throws LlamaEtsError `ERR_INVALID_DATA` for what is damaged, too large, or takes too long to read; the
 *   signal's reason when aborted
 */
export async function readParquet(
  name: string,
  content: Readable,
  signal: AbortSignal | undefined,
): Promise<Record<string, unknown>[]> {
  const answer = await readInThread(await wholeOf(content), signal);
  if ("rows" in answer) return answer.rows;
  throw new LlamaEtsError("ERR_INVALID_DATA", `${name}: expected Parquet: ${answer.error}`, {
    fix: "the file anew, where it is cut off; or its rows as .jsonl",
  });
}

async function wholeOf(content: Readable): Promise<ArrayBuffer> {
  const pieces: Buffer[] = [];
  let size = 0;
  for await (const chunk of content as AsyncIterable<Buffer>) {
    pieces.push(chunk);
    size += chunk.length;
    if (size > MAX_BYTES) throw new Error(`it has more than ${MAX_BYTES} bytes`);
  }
  return new Uint8Array(Buffer.concat(pieces)).buffer;
}

async function readInThread(
  file: ArrayBuffer,
  signal: AbortSignal | undefined,
): Promise<ParquetAnswer> {
  const ms = LIMIT_MS + (file.byteLength / 2 ** 20) * LIMIT_MS_PER_MIB;
  const limit = AbortSignal.timeout(Math.ceil(ms));
  const thread = new Worker(SCRIPT, {
    workerData: file,
    transferList: [file],
    env: {},
    execArgv: [],
    resourceLimits: { maxOldGenerationSizeMb: MEMORY_MIB },
  });
  try {
    const until = AbortSignal.any([limit, ...(signal ? [signal] : [])]);
    const [answer] = await once(thread, "message", { signal: until });
    return answer as ParquetAnswer;
  } catch (error) {
    signal?.throwIfAborted();
    if (limit.aborted) return { error: `it takes more than ${Math.ceil(ms / 1000)} s to read` };
    return { error: messageOf(error) };
  } finally {
    await thread.terminate();
  }
}
