/** Reads run directories and checks their content, since they may come from an untrusted source. */
import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { checkString } from "../../engine/check.js";
import { codeOf, LlamaEtsError, whyUnreadable } from "../../engine/errors.js";
import { refuseOtherThanFile } from "../../engine/read-file.js";
import { parseJson, validate } from "./checked-json.js";
import {
  failedSampleSchema,
  gradedSampleSchema,
  isFailed,
  RUN_FILE,
  RUN_FORMAT,
  type RunRecord,
  runSchema,
  SAMPLES_FILE,
  type Sample,
} from "./run-files.js";

/** A run directory, read and checked. */
export interface EvaluationRun {
  directory: string;
  run: RunRecord;
  /** One sample for each key, in the order of the file. A later sample replaces a failed one. */
  samples: Sample[];
  /** Number of bytes of `samples.jsonl` that hold complete lines. A partial line after them is not read. */
  wholeBytes: number;
}

/**
 * Reads `run.json` and `samples.jsonl`. A last line without a newline, which a killed process may leave, is
 * not read.
 *
 * @throws LlamaEtsError `ERR_INVALID_DATA`, with file, line and field
 */
export async function readRun(directory: string): Promise<EvaluationRun> {
  checkString("directory", directory);
  const run = await readRunRecord(directory);
  const samplesFile = path.join(directory, SAMPLES_FILE);
  const content = await read(samplesFile);
  const end = content.lastIndexOf("\n") + 1;
  const whole = content.slice(0, end);
  const byKey = new Map<string, Sample>();
  for (const [i, line] of whole.split("\n").entries()) {
    if (line.trim() === "") continue;
    const where = `${samplesFile}, line ${i + 1}`;
    const value = parseJson(line, where, SAMPLE_FIX);
    const hasFailed = typeof value === "object" && value !== null && "error" in value;
    const sample: Sample = hasFailed
      ? validate(failedSampleSchema, value, where, SAMPLE_FIX)
      : validate(gradedSampleSchema, value, where, SAMPLE_FIX);
    if (!run.methods.some(({ name }) => name === sample.method)) {
      throw new LlamaEtsError(
        "ERR_INVALID_DATA",
        `${where}: ${RUN_FILE} names no method ${sample.method}`,
        { fix: SAMPLE_FIX },
      );
    }
    const before = byKey.get(sample.key);
    if (before === undefined || isFailed(before)) byKey.set(sample.key, sample);
  }
  return {
    directory,
    run,
    samples: [...byKey.values()],
    wholeBytes: Buffer.byteLength(whole),
  };
}

/** Reads `run.json`. Throws as `readRun` does. */
async function readRunRecord(directory: string): Promise<RunRecord> {
  const file = path.join(directory, RUN_FILE);
  const record = parseJson(await read(file), file, RUN_FIX);
  const { format } = Object(record) as { format?: unknown };
  if (typeof format === "string" && format !== RUN_FORMAT) {
    throw new LlamaEtsError(
      "ERR_INVALID_DATA",
      `${file}, \`format\`: expected ${RUN_FORMAT}, got ${format}`,
      { fix: "the version of llama-ets that wrote the run" },
    );
  }
  return validate(runSchema, record, file, RUN_FIX);
}

const SAMPLE_FIX = "the file without that line; `llama-ets eval --resume` draws its sample again";
const RUN_FIX =
  "the file as `llama-ets eval` wrote it: the same command with another --out writes one";

/** Returns the date of a directory's run, for templates that print a date; undefined if it has none. */
export async function readRunDate(directory: string): Promise<string | undefined> {
  const run = await readRunRecord(directory).catch(() => undefined); // resuming the run reports the error
  return run?.methods.map(({ settings }) => settings.date).find((date) => typeof date === "string");
}

async function read(file: string): Promise<string> {
  try {
    await refuseOtherThanFile(file);
    return await readFile(file, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT" && path.basename(file) === SAMPLES_FILE) return ""; // no samples yet
    throw new LlamaEtsError("ERR_INVALID_DATA", `Could not read ${file}: ${whyUnreadable(error)}`, {
      fix: await fixFor(file, error),
      cause: error,
    });
  }
}

/**
 * Suggests run directories inside a directory that isn't one itself, such as that of a sweep or of all runs.
 */
async function fixFor(file: string, error: unknown): Promise<string> {
  const usual = "a directory that `llama-ets eval --out` wrote";
  if (codeOf(error) !== "ENOENT") return usual;
  const within = await runsWithin(path.dirname(file), MAX_DEPTH);
  if (within.length === 0) return usual;
  const more = within.length > MAX_NAMED ? ", …" : "";
  return `${usual}, such as ${within.slice(0, MAX_NAMED).join(", ")}${more}`;
}

/** Search depth: the folder of all sweeps has its runs at this depth. */
const MAX_DEPTH = 4;
const MAX_NAMED = 4;

async function runsWithin(directory: string, depth: number): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  if (entries.some(({ name }) => name === RUN_FILE)) return [directory];
  const found: string[] = [];
  for (const entry of depth === 0 ? [] : entries.filter((inner) => inner.isDirectory())) {
    if (found.length > MAX_NAMED) break;
    found.push(...(await runsWithin(path.join(directory, entry.name), depth - 1)));
  }
  return found;
}
