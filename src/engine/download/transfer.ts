/**
 * Downloads one file in several attempts if necessary. The bytes so far are in a `.part` file, beside a
 * record of the file's identity on the server. An attempt continues the `.part` file only if the server
 * still reports the same identity. A complete file with the hub's checksum is renamed to its name.
 */
import { type FileHandle, open, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { LlamaEtsError, messageOf } from "../errors.js";
import { sha256Of } from "../file-hash.js";
import { HEAD_BYTES, otherThanGguf } from "../file-kind.js";
import { PassingFailure, type Patience, persist } from "./patience.js";
import { type Answer, failureOf, request, type Subject, Watchdog } from "./request.js";

/** Bytes that an attempt must add to count as progress, which restarts the count of failures. */
const GAIN = 2 ** 20;

interface TransferProgress {
  received: number;
  /** The file's size; 0 if the server doesn't report it. */
  total: number;
  retrying?: string;
}

/** The purpose, the limits and the callbacks of a transfer. */
export interface TransferOptions {
  subject: Subject;
  patience: Patience;
  onProgress: (progress: TransferProgress) => void;
  /** Called before bytes are written, with the number of bytes left. If it throws, the transfer ends. */
  onSize?: (left: number, total: number) => Promise<void>;
  /** Called with the hub's checksum, once the file is complete. */
  onChecksum?: (sha256: string) => Promise<void>;
  signal: AbortSignal | undefined;
}

/** The identity on the server, and the size, of the file that a partial file belongs to. */
interface PartRecord {
  identity: string;
  total: number;
}

/** Downloads a file. Throws `ERR_DOWNLOAD`, `ERR_WRITE`, `PassingFailure`, or the signal's reason. */
export async function transfer(url: string, file: string, options: TransferOptions): Promise<void> {
  const { patience, onProgress, signal } = options;
  let last: TransferProgress = { received: 0, total: 0 };
  const note = (progress: TransferProgress) => {
    last = progress;
    onProgress(progress);
  };
  const attempt = () => attemptTransfer(url, file, { ...options, onProgress: note });
  await persist(attempt, (retrying) => onProgress({ ...last, retrying }), patience, signal);
}

async function attemptTransfer(url: string, file: string, options: TransferOptions): Promise<void> {
  const { subject, patience, signal } = options;
  const part = new PartialFile(file);
  const watchdog = new Watchdog(patience.silentMs, signal);
  try {
    const begun = await part.begun();
    const range: Record<string, string> = begun ? { Range: `bytes=${begun.size}-` } : {};
    const answer = await request(url, range, subject, watchdog);
    const start = startOf(answer, begun);
    if (start === undefined) {
      // The server has another file now, or it ignores the requested range. Start again.
      await part.remove();
      throw new PassingFailure("the file has changed on the server", { gained: begun !== null });
    }
    const { total } = recordOf(answer, start);
    if (total > 0) await options.onSize?.(total - start, total);
    await receive(answer, part, start, watchdog, options);
    if (answer.sha256 !== undefined) await part.check(answer.sha256, subject, start > 0, signal);
    await part.finish();
    if (answer.sha256 !== undefined) await options.onChecksum?.(answer.sha256);
  } catch (error) {
    await part.removeUnlessKnown();
    throw error;
  } finally {
    watchdog.close();
  }
}

/** The offset of the answer's bytes in the file; undefined if they don't continue the partial file. */
function startOf(
  answer: Answer,
  begun: (PartRecord & { size: number }) | null,
): number | undefined {
  const { status, headers } = answer.response;
  if (status === 416) return undefined;
  if (status !== 206) return 0; // A server that doesn't support ranges sends the whole file.
  const [, from, all] =
    /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get("content-range") ?? "") ?? [];
  const isSame = begun !== null && recordOf(answer, begun.size).identity === begun.identity;
  const isNext = Number(from) === begun?.size && (all === "*" || Number(all) === begun?.total);
  return isSame && isNext ? begun?.size : undefined;
}

/** The file's identity and size. A file without a checksum or a strong ETag has no identity. */
function recordOf(
  { response, sha256, size }: Answer,
  start: number,
): Partial<PartRecord> & { total: number } {
  const length = Number(response.headers.get("content-length") ?? Number.NaN);
  const total = size ?? (length > 0 ? start + length : 0);
  const etag = response.headers.get("etag");
  const identity = sha256 ?? (etag !== null && !etag.startsWith("W/") ? etag : undefined);
  return { total, ...(identity !== undefined && { identity }) };
}

async function receive(
  answer: Answer,
  part: PartialFile,
  start: number,
  watchdog: Watchdog,
  { subject, onProgress, signal }: TransferOptions,
): Promise<void> {
  const record = recordOf(answer, start);
  const { total } = record;
  const writing = await part.open(start, record);
  let received = start;
  let head = Buffer.alloc(0);
  const gained = () => received - start >= GAIN;
  const checkHead = async () => {
    if (start > 0 || otherThanGguf(head) === undefined) return;
    await part.remove();
    throw notGguf(head, subject);
  };
  try {
    const reader = answer.response.body?.getReader();
    for (;;) {
      const { value } = (await reader?.read().catch((error: unknown) => {
        signal?.throwIfAborted();
        const message = `the transfer broke off: ${failureOf(error, watchdog)}`;
        throw new PassingFailure(message, { gained: gained(), cause: error });
      })) ?? { value: undefined };
      if (value === undefined) break;
      watchdog.heard(value.length);
      if (head.length < HEAD_BYTES) {
        head = Buffer.concat([head, value.subarray(0, HEAD_BYTES - head.length)]);
        if (head.length === HEAD_BYTES) await checkHead();
      }
      await part.write(writing, value, received);
      received += value.length;
      onProgress({ received, total });
    }
    await part.settle(writing);
  } finally {
    await writing.close();
  }
  if (head.length < HEAD_BYTES) await checkHead();
  if (total > 0 && received !== total) {
    const message = `the transfer ended after ${received} of ${total} bytes`;
    throw new PassingFailure(message, { gained: gained() });
  }
}

/** The error if a server sends something other than a GGUF file. */
export function notGguf(head: Uint8Array, { source, page }: Subject): LlamaEtsError {
  const what = otherThanGguf(head)?.what;
  const isPage = what === "a web page";
  return new LlamaEtsError(
    "ERR_DOWNLOAD",
    `${source} could not be downloaded: expected a GGUF file, the server sent ${isPage ? what : `what is ${what}`}`,
    {
      fix: isPage
        ? `open ${page ?? "the URL"} in a browser: the network may ask for a login; or HF_ENDPOINT, a mirror`
        : `the name of a .gguf file${page ? ` on ${page}` : ""}`,
    },
  );
}

/** A `.part` file that grows during the download. Its record and it are in the final file's directory. */
class PartialFile {
  readonly #file: string;
  readonly #part: string;
  readonly #record: string;

  constructor(file: string) {
    this.#file = file;
    this.#part = `${file}.part`;
    this.#record = `${file}.part.json`;
  }

  /** The record and the size of the partial file; null if there is none, or if its identity is unknown. */
  async begun(): Promise<(PartRecord & { size: number }) | null> {
    try {
      const record: PartRecord = JSON.parse(await readFile(this.#record, "utf8"));
      const { size } = await stat(this.#part);
      const isRecord = typeof record?.identity === "string" && typeof record.total === "number";
      return isRecord && size > 0 ? { ...record, size } : null;
    } catch {
      return null;
    }
  }

  /** Opens the partial file to write from `start` on. If that is 0, empties it, then writes the record. */
  open(start: number, { identity, total }: Partial<PartRecord>): Promise<FileHandle> {
    return this.#guard(async () => {
      if (start > 0) return open(this.#part, "r+");
      const handle = await open(this.#part, "w");
      if (identity === undefined) await rm(this.#record, { force: true });
      else await writeFile(this.#record, JSON.stringify({ identity, total }));
      return handle;
    });
  }

  async write(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
    await this.#guard(() => handle.write(bytes, 0, bytes.length, position));
  }

  settle(handle: FileHandle): Promise<void> {
    return this.#guard(() => handle.datasync());
  }

  /** Checks the checksum. Removes a wrong file; if it came from several attempts, it is downloaded again. */
  async check(
    sha256: string,
    { source }: Subject,
    isResumed: boolean,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const actual = await sha256Of(this.#part, signal);
    if (actual === sha256) return;
    await this.remove();
    const message = `expected SHA-256 ${sha256}, got ${actual}`;
    if (isResumed) throw new PassingFailure(message);
    throw new LlamaEtsError("ERR_DOWNLOAD", `${source} could not be downloaded: ${message}`, {
      fix: "try again later, or HF_ENDPOINT, a mirror",
    });
  }

  async finish(): Promise<void> {
    await this.#guard(() => rename(this.#part, this.#file));
    await rm(this.#record, { force: true });
  }

  async remove(): Promise<void> {
    await rm(this.#part, { force: true });
    await rm(this.#record, { force: true });
  }

  /** Removes a partial file without a known identity, because no later attempt can continue it. */
  async removeUnlessKnown(): Promise<void> {
    if ((await this.begun()) === null) await this.remove();
  }

  async #guard<T>(write: () => Promise<T>): Promise<T> {
    try {
      return await write();
    } catch (error) {
      throw new LlamaEtsError("ERR_WRITE", `${this.#file} was not written: ${messageOf(error)}`, {
        cause: error,
      });
    }
  }
}
