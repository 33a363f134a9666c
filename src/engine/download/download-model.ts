/**
 * Downloads models from a hub or a web server, into the directory of node-llama-cpp's downloader and
 * under its file names. The transfers don't use that downloader. It keeps anything that a server sends,
 * such as a login page, as a model. It doesn't report or limit its retries, and doesn't report the status
 * of a refusal. Unlike it, this module opens one connection per file.
 */
import { readdir, rm } from "node:fs/promises";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { homeDirectory } from "../cache-directory.js";
import { LlamaEtsError, messageOf } from "../errors.js";
import { otherThanGguf, readHead } from "../file-kind.js";
import type { LoadProgress } from "../load-progress.js";
import { lockFile } from "../local/file-lock.js";
import { makeDirectory } from "../make-directory.js";
import {
  addressOf,
  cachedStems,
  type FileAddress,
  hubEndpoint,
  type ModelAddress,
  parseAddress,
  partFiles,
  partSuffix,
  partsOf,
  type RepositoryAddress,
} from "./address.js";
import { rememberChecksum } from "./checksums.js";
import { PATIENCE, PassingFailure, type Patience, persist } from "./patience.js";
import { request, type Subject, Watchdog } from "./request.js";
import { refuseWithoutSpace, sizeNote } from "./size.js";
import { notGguf, transfer } from "./transfer.js";

const LOCK_POLL_MS = 500;

/** The directory of downloaded models. Throws `ERR_WRITE` if the user has no home directory. */
export function modelsDirectory(): string {
  return path.join(homeDirectory(), ".node-llama-cpp", "models");
}

/**
 * Downloads the model of a `hf:` URI or a URL, unless it is there already. Returns the path of its file,
 * or of the first part of a split model. Throws `ERR_DOWNLOAD`, `ERR_WRITE`, `ERR_INVALID_OPTION`, or the
 * signal's reason.
 */
export async function downloadModel(
  source: string,
  onProgress: (progress: LoadProgress) => void,
  signal: AbortSignal | undefined,
  patience: Patience = PATIENCE,
): Promise<string> {
  const address = parseAddress(source);
  const directory = modelsDirectory();
  const cached = await findCached(directory, address);
  if (cached !== undefined) return cached;
  refuseOffline(source);
  const subject = { source, ...(address.page !== undefined && { page: address.page }) };
  const retrying = (why: string) => onProgress({ phase: "download", progress: 0, retrying: why });
  try {
    const file =
      "tag" in address ? await askHub(address, subject, retrying, patience, signal) : address;
    return await fetchParts(file, subject, directory, onProgress, patience, signal);
  } catch (error) {
    signal?.throwIfAborted();
    if (!(error instanceof PassingFailure)) throw error;
    throw new LlamaEtsError(
      "ERR_DOWNLOAD",
      `${source} could not be downloaded: ${error.message}, after ${patience.waitsMs.length + 1} attempts`,
      {
        fix: "check the network; HF_ENDPOINT, a mirror of the hub; or the file downloaded by other means, by its path",
        cause: error,
      },
    );
  }
}

/** Throws `ERR_DOWNLOAD` if HF_HUB_OFFLINE is set, as Hugging Face's own tools do. */
function refuseOffline(source: string): void {
  if (!/^(1|true|yes|on)$/i.test(process.env.HF_HUB_OFFLINE ?? "")) return;
  throw new LlamaEtsError(
    "ERR_DOWNLOAD",
    `${source} was not downloaded before, and HF_HUB_OFFLINE forbids it`,
    { fix: "HF_HUB_OFFLINE=0, or one that `llama-ets models` lists" },
  );
}

/** Finds a complete cached model under one of its names. Removes files that aren't GGUF. */
async function findCached(directory: string, address: ModelAddress): Promise<string | undefined> {
  const names = await readdir(directory).catch(() => []);
  for (const stem of cachedStems(address)) {
    for (const first of names.filter((name) => isFirstPart(name, stem))) {
      const parts = partFiles(path.join(directory, first));
      const isWhole = await Promise.all(parts.map(isGguf));
      if (isWhole.every(Boolean)) return parts[0];
    }
  }
  return undefined;
}

function isFirstPart(name: string, stem: string): boolean {
  return name.startsWith(stem) && /^(-00001-of-\d{5})?\.gguf$/.test(name.slice(stem.length));
}

async function isGguf(file: string): Promise<boolean> {
  const head = await readHead(file).catch(() => undefined);
  if (head === undefined) return false;
  if (otherThanGguf(head) === undefined) return true;
  await rm(file, { force: true });
  return false;
}

/** Asks the hub's manifest which file of a repository has the quantization. */
async function askHub(
  repository: RepositoryAddress,
  subject: Subject,
  onRetry: (why: string) => void,
  patience: Patience,
  signal: AbortSignal | undefined,
): Promise<FileAddress> {
  const { user, model, tag } = repository;
  const place = ["v2", user, model, "manifests", tag].map(encodeURIComponent).join("/");
  const ask = async () => {
    const watchdog = new Watchdog(patience.silentMs, signal);
    try {
      // The hub names the file only to clients with this name.
      const headers = { "User-Agent": "llama-cpp" };
      const { response } = await request(`${hubEndpoint()}${place}`, headers, subject, watchdog);
      return await response.text().catch((error: unknown) => {
        throw new PassingFailure(`the answer broke off: ${messageOf(error)}`, { cause: error });
      });
    } finally {
      watchdog.close();
    }
  };
  const manifest = await persist(ask, onRetry, patience, signal);
  const file = fileIn(manifest);
  if (file !== undefined) return addressOf(repository, file);
  if (otherThanGguf(Buffer.from(manifest))?.what === "a web page") {
    throw notGguf(Buffer.from(manifest), subject);
  }
  throw new LlamaEtsError("ERR_DOWNLOAD", `${subject.source}: the hub names no GGUF file for it`, {
    fix: `look at ${repository.page} for the names of its files and quantizations`,
  });
}

function fileIn(manifest: string): string | undefined {
  try {
    const name: unknown = JSON.parse(manifest)?.ggufFile?.rfilename;
    return typeof name === "string" && !name.split("/").includes("..") ? name : undefined;
  } catch {
    return undefined;
  }
}

async function fetchParts(
  { url, stem }: FileAddress,
  subject: Subject,
  directory: string,
  onProgress: (progress: LoadProgress) => void,
  patience: Patience,
  signal: AbortSignal | undefined,
): Promise<string> {
  const urls = partsOf(url);
  const files = urls.map((_, i) =>
    path.join(directory, `${stem}${partSuffix(i + 1, urls.length)}.gguf`),
  );
  for (const [i, file] of files.entries()) {
    await fetchLocked(urls[i] as string, file, {
      subject,
      patience,
      signal,
      onSize: async (left, total) => {
        const parts = files.length;
        await refuseWithoutSpace(file, left);
        if (i > 0) return;
        const note = sizeNote(total * parts, parts > 1);
        onProgress({ phase: "download", progress: 0, total, note });
      },
      onChecksum: (sha256) => rememberChecksum(file, { sha256, source: subject.source }),
      onProgress: ({ received, total, retrying }) =>
        onProgress({
          phase: "download",
          progress: (i + (total > 0 ? received / total : 0)) / files.length,
          downloaded: received,
          total,
          ...(retrying !== undefined && { retrying }),
        }),
    });
  }
  return files[0] as string;
}

/** Downloads a file under a lock: one process at a time downloads it, and the others wait. */
async function fetchLocked(
  url: string,
  file: string,
  options: Parameters<typeof transfer>[2],
): Promise<void> {
  const { signal, onProgress } = options;
  const lockName = `${file}.lock`;
  let lock: AsyncDisposable | null;
  try {
    await makeDirectory(path.dirname(file));
    for (let isTold = false; ; isTold = true) {
      lock = await lockFile(lockName);
      if (lock !== null) break;
      if (!isTold) {
        onProgress({ received: 0, total: 0, retrying: "another process downloads it; waiting" });
      }
      await sleep(LOCK_POLL_MS, undefined, signal ? { signal } : {});
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw new LlamaEtsError("ERR_WRITE", `${file} was not written: ${messageOf(error)}`, {
      fix: "set HOME to a directory that can be written, or give the path of a file downloaded by other means",
      cause: error,
    });
  }
  try {
    if (!(await isGguf(file))) await transfer(url, file, options);
  } finally {
    await rm(lockName, { force: true });
    await lock[Symbol.asyncDispose]();
  }
}
