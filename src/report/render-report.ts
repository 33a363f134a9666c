import { stat } from "node:fs/promises";
import path from "node:path";
import { LlamaEtsError, whyUnreadable } from "../engine/errors.js";
import { compareRuns } from "../evaluate/compare/compare-runs.js";
import { isSweepDirectory, readSweep } from "../evaluate/sweep/read-sweep.js";
import { evaluationReport } from "./evaluation/evaluation-report.js";
import { itemReport, itemReports } from "./evaluation/item-report.js";
import { type Figure, figuresOf } from "./figures.js";
import { runReport } from "./run/run-report.js";
import { sweepFigures, sweepReport } from "./sweep/sweep-report.js";
import { readTrace } from "./trace.js";

/**
 * Returns the page of one trace, of one sweep's directory, or of one or more run directories.
 *
 * @param item only for run directories: show only this item
 * @throws LlamaEtsError `ERR_INVALID_DATA`, naming file, line and field; `ERR_INVALID_OPTION`
 */
export async function renderReport(sources: readonly string[], item?: string): Promise<string> {
  const directories = await Promise.all(sources.map(isRunDirectory));
  const sweep = sweepOf(sources);
  if (sweep !== undefined) {
    if (item !== undefined) throw refusedForSweep("--item", sweep);
    return sweepReport(await readSweep(sweep));
  }
  if (directories.every((is) => is)) {
    const compared = await compareRuns(sources);
    return item === undefined ? evaluationReport(compared) : itemReport(compared, item);
  }
  if (item !== undefined) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "--item is for run directories, got a trace");
  }
  const [source] = sources;
  if (source === undefined || sources.length > 1) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "Expected one trace, or run directories alone");
  }
  return runReport(await readTrace(source));
}

/**
 * Returns the source that is a sweep; undefined if none is. Throws `ERR_INVALID_OPTION` for a sweep among
 * other sources.
 */
function sweepOf(sources: readonly string[]): string | undefined {
  const sweep = sources.find(isSweepDirectory);
  if (sweep === undefined || sources.length === 1) return sweep;
  throw new LlamaEtsError(
    "ERR_INVALID_OPTION",
    `Expected run directories, or the directory of one sweep alone, got ${sweep} beside others`,
    { fix: `the run directories within it: ${path.join(sweep, "TASK", "MODEL", "seed-0")}` },
  );
}

function refusedForSweep(flag: string, sweep: string): LlamaEtsError {
  return new LlamaEtsError("ERR_INVALID_OPTION", `${flag} is for run directories, got a sweep`, {
    fix: `a run directory within it: ${path.join(sweep, "TASK", "MODEL", "seed-0")}`,
  });
}

/**
 * Returns the figures of a page by `renderReport`. For a sweep they include the grids, which the page shows
 * as tables.
 */
export async function renderFigures(sources: readonly string[], page: string): Promise<Figure[]> {
  const sweep = sweepOf(sources);
  return sweep === undefined ? figuresOf(page) : sweepFigures(await readSweep(sweep));
}

/** A report of run directories, and the pages of their items, which it links to. */
export interface ReportWithItems {
  page: string;
  /** The folder beside the report in which its links expect the items' pages. */
  folder: string;
  /** The pages are created one after another. `name` is the file name within the folder. */
  items: AsyncIterable<{ name: string; page: string }>;
}

/**
 * As `renderReport`, with a page for each item.
 *
 * @param file the file that the report will be written to
 */
export async function renderWithItems(
  sources: readonly string[],
  file: string,
): Promise<ReportWithItems> {
  const directories = await Promise.all(sources.map(isRunDirectory));
  const sweep = sweepOf(sources);
  if (sweep !== undefined) throw refusedForSweep("--items", sweep);
  if (!directories.every((is) => is)) {
    throw new LlamaEtsError("ERR_INVALID_OPTION", "--items is for run directories, got a trace");
  }
  const compared = await compareRuns(sources);
  const folder = file.replace(/(\.html?)?$/i, "-items");
  return {
    page: await evaluationReport(compared, path.basename(folder)),
    folder,
    items: itemReports(compared, path.basename(file)),
  };
}

/** Returns whether a source is a directory of a run, and not a trace. Throws `ERR_INVALID_DATA`. */
export async function isRunDirectory(source: string): Promise<boolean> {
  try {
    return (await stat(source)).isDirectory();
  } catch (error) {
    throw new LlamaEtsError(
      "ERR_INVALID_DATA",
      `Could not read ${source}: ${whyUnreadable(error)}`,
      {
        fix: "a file that `llama-ets ask --trace` wrote, or directories of `llama-ets eval --out`",
        cause: error,
      },
    );
  }
}
