/**
 * A run directory that is open for writing. Only one process at a time holds it, by a lock that ends with the
 * process. Each sample is appended by one write of a whole line, so that a killed process leaves at most a
 * partial last line. Samples are flushed to disk about once a second and at the end.
 */
import { type FileHandle, open } from "node:fs/promises";
import path from "node:path";
import { codeOf, LlamaEtsError, messageOf } from "../../engine/errors.js";
import { lockFile } from "../../engine/local/file-lock.js";
import { makeDirectory } from "../../engine/make-directory.js";
import { refuseOtherThanFile } from "../../engine/read-file.js";
import { writeWhole } from "../../engine/whole-file.js";
import { mergeRuns } from "./merge-runs.js";
import { readRun } from "./read-run.js";
import {
  isFailed,
  RUN_FILE,
  RUN_FORMAT,
  type RunRecord,
  SAMPLES_FILE,
  type Sample,
  SUMMARY_FILE,
  type Summary,
} from "./run-files.js";
import { summarise } from "./summary.js";

const LOCK_FILE = "run.lock";
const SYNC_INTERVAL_MS = 1000;

export class RunStore implements AsyncDisposable {
  readonly directory: string;
  readonly run: RunRecord;
  readonly #lock: AsyncDisposable;
  readonly #file: FileHandle;
  readonly #samples: Map<string, Sample>;
  #bytes: number;
  #synced = performance.now();
  /** The last append. The next one waits for it. */
  #appending: Promise<void> = Promise.resolve();

  private constructor(
    directory: string,
    run: RunRecord,
    lock: AsyncDisposable,
    file: FileHandle,
    content: { samples: readonly Sample[]; wholeBytes: number },
  ) {
    this.directory = directory;
    this.run = run;
    this.#lock = lock;
    this.#file = file;
    this.#samples = new Map(content.samples.map((sample) => [sample.key, sample]));
    this.#bytes = content.wholeBytes;
  }

  /**
   * Begins a run in a directory, which it creates if necessary. With `resume` it continues the run in the
   * directory.
   *
   * @throws LlamaEtsError `ERR_RUN_IN_USE` while another process holds the directory; `ERR_WRITE`;
   *   `ERR_INVALID_OPTION` if the directory holds a run without `resume`, or a different run;
   *   `ERR_INVALID_DATA` if its files are damaged
   */
  static async open(
    directory: string,
    run: Omit<RunRecord, "format">,
    resume: boolean,
  ): Promise<RunStore> {
    await makeDirectory(directory).catch((error) => refuse(directory, error));
    const lockPath = path.join(directory, LOCK_FILE);
    const lock = await lockFile(lockPath).catch((error) => refuse(directory, error));
    if (lock === null) {
      throw new LlamaEtsError("ERR_RUN_IN_USE", `Another process writes to ${directory}`, {
        fix: "wait for it, or another --out",
      });
    }
    try {
      return await RunStore.#openLocked(directory, { format: RUN_FORMAT, ...run }, resume, lock);
    } catch (error) {
      await lock[Symbol.asyncDispose]();
      throw error;
    }
  }

  static async #openLocked(
    directory: string,
    run: RunRecord,
    resume: boolean,
    lock: AsyncDisposable,
  ): Promise<RunStore> {
    // A run without samples (after a kill or on a full disk) has nothing to continue and nothing to lose.
    const isBegun = (await sizeOf(path.join(directory, SAMPLES_FILE))) > 0;
    if (isBegun && !resume) {
      throw new LlamaEtsError("ERR_INVALID_OPTION", `${directory} holds a run already`, {
        fix: "--resume to go on with it, or another --out",
      });
    }
    const before = isBegun ? await readRun(directory) : undefined;
    const merged = before === undefined ? run : mergeRuns(directory, before.run, run);
    let file: FileHandle | undefined;
    try {
      file = await open(path.join(directory, SAMPLES_FILE), "a");
      const wholeBytes = before?.wholeBytes ?? 0;
      await file.truncate(wholeBytes); // removes a partial last line of a killed process
      await writeJson(path.join(directory, RUN_FILE), merged);
      const samples = before?.samples ?? [];
      return new RunStore(directory, merged, lock, file, { samples, wholeBytes });
    } catch (error) {
      await file?.close();
      return refuse(directory, error);
    }
  }

  /** One sample for each key. A failed sample stays until its run has succeeded. */
  get samples(): Sample[] {
    return [...this.#samples.values()];
  }

  /** Whether a sample has been drawn and graded. */
  has(key: string): boolean {
    const sample = this.#samples.get(key);
    return sample !== undefined && !isFailed(sample);
  }

  /** Appends a sample unless it exists already. Throws `ERR_WRITE`, which says what is kept. */
  append(sample: Sample): Promise<void> {
    this.#appending = this.#appending.then(() => this.#append(sample));
    return this.#appending;
  }

  async #append(sample: Sample): Promise<void> {
    if (this.has(sample.key)) return;
    const line = Buffer.from(`${JSON.stringify(sample)}\n`);
    try {
      const { bytesWritten } = await this.#file.write(line);
      if (bytesWritten < line.length) await this.#file.appendFile(line.subarray(bytesWritten));
      await this.#syncNowAndThen();
    } catch (error) {
      // If truncating fails, the next resume truncates the file.
      await this.#file.truncate(this.#bytes).catch(() => {});
      throw this.#writeError(SAMPLES_FILE, error);
    }
    this.#bytes += line.length;
    this.#samples.set(sample.key, sample);
  }

  async #syncNowAndThen(): Promise<void> {
    if (performance.now() - this.#synced < SYNC_INTERVAL_MS) return;
    await this.#file.datasync();
    this.#synced = performance.now();
  }

  /** Flushes the samples to disk and writes their summary. */
  async summarise(): Promise<Summary> {
    const summary = summarise(this.run, this.samples);
    try {
      await this.#file.datasync();
      await writeJson(path.join(this.directory, SUMMARY_FILE), summary);
    } catch (error) {
      throw this.#writeError(SUMMARY_FILE, error);
    }
    return summary;
  }

  /**
   * Replaces all samples. The files of the samples, the run and the summary are each replaced atomically.
   * Throws `ERR_WRITE`.
   */
  async replace(run: RunRecord, samples: readonly Sample[]): Promise<Summary> {
    await this.#appending;
    const summary = summarise(run, samples);
    const lines = samples.map((sample) => `${JSON.stringify(sample)}\n`).join("");
    try {
      await writeWhole(path.join(this.directory, SAMPLES_FILE), lines);
      await writeJson(path.join(this.directory, RUN_FILE), run);
      await writeJson(path.join(this.directory, SUMMARY_FILE), summary);
    } catch (error) {
      return refuse(this.directory, error);
    }
    return summary;
  }

  #writeError(file: string, error: unknown): LlamaEtsError {
    const graded = this.samples.filter((sample) => !isFailed(sample)).length;
    return new LlamaEtsError(
      "ERR_WRITE",
      `${path.join(this.directory, file)} could not be written: ${messageOf(error)}; ${graded} samples are kept in ${path.join(this.directory, SAMPLES_FILE)}`,
      { fix: "free space on the disk, then the same command with --resume", cause: error },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#appending.catch(() => {}); // `append` has already rejected with the error
    await this.#file.close();
    await this.#lock[Symbol.asyncDispose]();
  }
}

function writeJson(file: string, content: object): Promise<void> {
  return writeWhole(file, `${JSON.stringify(content, null, 2)}\n`);
}

/** Returns the size of a file in bytes; 0 if it doesn't exist. */
async function sizeOf(file: string): Promise<number> {
  try {
    return (await refuseOtherThanFile(file)).size;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return 0;
    return refuse(path.dirname(file), error);
  }
}

function refuse(directory: string, error: unknown): never {
  if (error instanceof LlamaEtsError) throw error;
  throw new LlamaEtsError(
    "ERR_WRITE",
    `The run can't be kept in ${directory}: ${messageOf(error)}`,
    { fix: "an --out that can be written", cause: error },
  );
}
