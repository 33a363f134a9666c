/** The API of comparisons and reports. Their modules are loaded on the first call. */
import { checkArray, checkObject, checkString } from "../engine/check.js";
import { LlamaEtsError, messageOf } from "../engine/errors.js";
import type { CompareOptions } from "../evaluate/compare/compare-runs.js";
import type { ComparedRuns } from "../evaluate/compare/comparison.js";
import type { RunDifference } from "../evaluate/compare/diff-runs.js";
import type { Regraded, RegradeOptions } from "../evaluate/regrade.js";
import type { EvaluationRun } from "../evaluate/store/read-run.js";
import type { Result } from "../methods/result.js";
import type { Trace } from "./trace.js";
import { TRACE_FORMAT } from "./trace-format.js";

/**
 * Reads and checks the settings and samples of a run directory.
 *
 * @throws LlamaEtsError `ERR_INVALID_DATA`, with file, line and field
 */
export async function readRun(directory: string): Promise<EvaluationRun> {
  const module = await import("../evaluate/store/read-run.js");
  return module.readRun(directory);
}

/**
 * Compares the methods of one or more run directories on the items that all of them have.
 *
 * @example
 * const { comparison } = await compareRuns(["runs/a", "runs/b"]);
 * for (const { name, accuracy, ci95 } of comparison.methods) console.log(name, accuracy, ci95);
 *
 * @throws LlamaEtsError `ERR_INVALID_DATA`, with file, line and field; `ERR_INVALID_OPTION`
 */
export async function compareRuns(
  directories: readonly string[],
  options: CompareOptions = {},
): Promise<ComparedRuns> {
  const module = await import("../evaluate/compare/compare-runs.js");
  return module.compareRuns(directories, options);
}

/**
 * Finds what changed between two run directories, item by item.
 *
 * @throws LlamaEtsError `ERR_INVALID_DATA`, with file, line and field; also if no sample is in both
 *   directories
 */
export async function diffRuns(before: string, after: string): Promise<RunDifference> {
  const module = await import("../evaluate/compare/diff-runs.js");
  return module.diffRuns(before, after);
}

/**
 * Grades the stored texts of a run directory again, without a model, and replaces the verdicts.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`, `ERR_INVALID_DATA`, `ERR_RUN_IN_USE`, `ERR_WRITE`; the
 *   signal's reason when aborted
 */
export async function regrade(directory: string, options: RegradeOptions = {}): Promise<Regraded> {
  const module = await import("../evaluate/regrade.js");
  return module.regrade(directory, options);
}

/**
 * Returns a comparison as one HTML page, which loads nothing else.
 *
 * @throws LlamaEtsError `ERR_INVALID_OPTION`; `ERR_INVALID_DATA` if a field doesn't fit a comparison
 */
export async function evaluationReport(compared: ComparedRuns): Promise<string> {
  checkObject("compared.comparison", checkObject("compared", compared).comparison);
  checkArray("compared.items", compared.items);
  checkArray("compared.runs", compared.runs);
  const module = await import("./evaluation/evaluation-report.js");
  try {
    return await module.evaluationReport(compared);
  } catch (error) {
    if (error instanceof LlamaEtsError) throw error;
    const message = `Expected \`compared\` to be what compareRuns gave: ${messageOf(error)}`;
    throw new LlamaEtsError("ERR_INVALID_DATA", message, { cause: error });
  }
}

/**
 * Reads a trace that `ask --trace` wrote.
 *
 * @throws LlamaEtsError `ERR_INVALID_DATA`, with the file and the field
 */
export async function readTrace(file: string): Promise<Trace> {
  checkString("file", file);
  const module = await import("./trace.js");
  return module.readTrace(file);
}

/**
 * Shows how an answer was found, as one HTML page, which loads nothing else.
 *
 * @example
 * await writeFile("answer.html", await runReport(await ets(model, question)));
 *
 * @throws LlamaEtsError `ERR_INVALID_DATA`, `ERR_INVALID_OPTION`
 */
export async function runReport(run: Trace | Result): Promise<string> {
  checkObject("run", run);
  const [{ parseTrace }, module] = await Promise.all([
    import("./trace.js"),
    import("./run/run-report.js"),
  ]);
  const trace = "format" in run ? run : { format: TRACE_FORMAT, ...run };
  return module.runReport(parseTrace(asData(trace), "the run"));
}

/** Converts a trace to the data that a trace file would hold. */
function asData(trace: object): unknown {
  try {
    return JSON.parse(JSON.stringify(trace));
  } catch (error) {
    throw new LlamaEtsError("ERR_INVALID_DATA", `the run is no data: ${messageOf(error)}`);
  }
}
